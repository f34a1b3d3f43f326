"""Keeps routers on hosts as the log has them: tells a host whenever something of a router changes.

It holds nothing that the log and the hosts do not: it may begin anew at any moment, and then looks
at every router. What it hears of a commit says only which routers to look at, and whose leases;
what one is to do is read from the log when it is told. So what changes fast is told once, the
latest of it.

A host that cannot be reached is told when it answers again; if it stays away, its routers go to
another. The place where a router was stays in the log until the host has removed it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import cast
from uuid import UUID, uuid4, uuid5

from aggregates.base import Recorded
from aggregates.errors import DomainError
from aggregates.host import HostConnected, HostState
from aggregates.router import Router, serves
from aggregates.router_place import RouterPlace
from aggregates.vm import Vm
from drivers.contract.errors import DriverError, Refused, Unavailable
from drivers.contract.routing import RouterStatus, Routing
from engine.clock import Clock, steady_s
from engine.engine import Engine
from engine.intents.router import LeavePlace, PlaceRouter, TellRouter
from engine.log import Log
from engine.reconcilers.looks import BY, safely
from engine.routing.concerns import Concerns
from engine.routing.placing import able_clusters, can_run, choose, is_wanted, stays
from engine.routing.telling import Telling, Told
from engine.side_by_side import side_by_side
from engine.world import Hosts
from projections.host import hosts
from projections.nic import Nics
from projections.router import routers
from projections.router_place import router_places

SIDE_BY_SIDE = 16
TOLD_S, LISTED_S = 90.0, 30.0
AGAIN_S, LOOK_S = 5.0, 60.0
# For so long a router waits for its host, whose guests may all be well.
GIVEN_UP_S = 180.0
NOWHERE = "no host of its zone that could run it is Up and Enabled"


class RouterKeeper:
    """Made after the engine, so that it hears of what the engine's fold has in."""

    def __init__(
        self,
        log: Log,
        engine: Engine,
        hosts_: Hosts,
        clock: Clock,
        *,
        steady: Callable[[], float] = steady_s,
    ) -> None:
        self._engine, self._hosts, self._clock, self._steady = engine, hosts_, clock, steady
        self._concerns = Concerns(engine.cloud)
        self._waiting: asyncio.Queue[UUID] = asyncio.Queue()
        self._queued: set[UUID] = set()
        self._busy: set[UUID] = set()
        self._again: set[UUID] = set()
        # When those are looked at again that something was wrong with; how long that is put off.
        self._later: dict[UUID, float] = {}
        self._delays_s: dict[UUID, float] = {}
        self._told: dict[UUID, Told] = {}
        self._lost_s: dict[UUID, float] = {}
        self._works = False
        self._tasks: asyncio.TaskGroup | None = None
        engine.cloud.view(Nics).left = self._left
        log.listen(self._heard)

    async def round(self) -> None:
        """Look at every host and every router once, as if nothing were known."""
        self._told.clear()
        for host_id in self._held():
            await self._safely_look_at(host_id)
        for router_id in self._all():
            await safely(self._see_to(router_id), TOLD_S)

    def _all(self) -> list[UUID]:
        """Every router that there is, or of which something may be left."""
        cloud = self._engine.cloud
        places = (place.router_id for place in cloud[router_places])
        return list(dict.fromkeys([*(row.id for row in cloud[routers]), *places]))

    def _held(self) -> list[UUID]:
        """The hosts on which there may be routers."""
        return list(dict.fromkeys(one.host_id for one in self._engine.cloud[router_places]))

    async def run(self) -> None:
        """Look at every router, and then at those that something happens to, until cancelled."""
        self._works = True
        self._told.clear()  # What happened before was not heard.
        try:
            self._mark(self._all())
            async with asyncio.TaskGroup() as group:
                self._tasks = group
                group.create_task(self._look())
                for _ in range(SIDE_BY_SIDE):
                    group.create_task(self._work())
        finally:
            self._works, self._tasks = False, None
            for marked in (self._queued, self._busy, self._again):
                marked.clear()
            self._waiting = asyncio.Queue()

    def _heard(self, batch: Sequence[Recorded]) -> None:
        if self._works:
            for recorded in batch:
                if concerned := list(self._concerns.of(recorded)):
                    self._note(recorded, concerned)

    def _note(self, recorded: Recorded, concerned: list[UUID]) -> None:
        """Of a guest only the leases may be others now; of all else, the whole picture."""
        if recorded.event.KIND == Vm.KIND:
            self._note_change(concerned, guest=recorded.stream)
            return
        for told in filter(None, map(self._told.get, concerned)):
            told.is_drawn = False
        if isinstance(recorded.event, HostConnected):
            self._doubt(concerned)
        self._mark(concerned)

    def _left(self, nic_id: UUID, network_id: UUID) -> None:
        if self._works:
            self._note_change(self._concerns.serving(network_id), card=nic_id)

    def _note_change(
        self, router_ids: Iterable[UUID], *, guest: UUID | None = None, card: UUID | None = None
    ) -> None:
        """One that knows nothing yet is told of it with all others."""
        for router_id in router_ids:
            if (told := self._told.get(router_id)) is not None:
                if told.is_beyond and card is None:
                    continue
                if guest is not None:
                    told.guests.add(guest)
                if card is not None:
                    told.left.add(card)
            self._mark((router_id,))

    def _mark(self, router_ids: Iterable[UUID]) -> None:
        """Look at these soon, once. One that is being told now is looked at again behind that."""
        for router_id in router_ids:
            if router_id in self._busy:
                self._again.add(router_id)
            elif router_id not in self._queued:
                self._queued.add(router_id)
                self._waiting.put_nowait(router_id)

    def _doubt(self, router_ids: Iterable[UUID]) -> None:
        """Tell these again, though what they are to be is what they were told."""
        for told in filter(None, map(self._told.get, router_ids)):
            told.doubt()

    async def _work(self) -> None:
        while True:
            router_id = await self._waiting.get()
            self._queued.discard(router_id)
            self._busy.add(router_id)
            await safely(self._see_to(router_id), TOLD_S)
            told = self._told.get(router_id)
            if told is not None and told.rest_s and self._tasks is not None:
                self._tasks.create_task(self._rest(router_id, told.rest_s))
            else:
                self._is_free(router_id)

    async def _rest(self, router_id: UUID, rest_s: float) -> None:
        await self._clock.sleep(rest_s)
        self._is_free(router_id)

    def _is_free(self, router_id: UUID) -> None:
        self._busy.discard(router_id)
        if router_id in self._again:
            self._again.discard(router_id)
            self._mark((router_id,))

    async def _look(self) -> None:
        """Try again what failed, give up hosts that stay away, and see whether hosts do as told."""
        looked_s = self._steady()
        while True:
            await self._clock.sleep(AGAIN_S)
            now_s = self._steady()
            self._mark([one for one, due_s in self._later.items() if due_s <= now_s])
            if now_s - looked_s >= LOOK_S:
                looked_s = now_s
                await side_by_side(self._held(), self._safely_look_at, most=SIDE_BY_SIDE)

    async def _safely_look_at(self, host_id: UUID) -> None:
        await safely(self._look_at(host_id), LISTED_S)

    async def _look_at(self, host_id: UUID) -> None:
        """Mark those that are not as their host was told, and remove what should not be there."""
        cloud = self._engine.cloud
        host = cloud[hosts].get(host_id)
        if host is None or host.state is not HostState.UP:
            return
        session = cast(Routing, await self._hosts.session(host_id))
        before = {one: (told.digest, told.mark) for one, told in self._told.items()}
        seen = {one.router_id: one for one in await session.list_routers()}
        for place in cloud[router_places].by("host_id", host_id):
            there = seen.pop(place.router_id, None)
            if there is None or self._is_other(there, before.get(place.router_id)):
                self._doubt((place.router_id,))
                self._mark((place.router_id,))
        for router_id in seen:
            if await self._engine.ever(router_id, "router"):
                await session.remove_router(router_id, key=uuid5(router_id, f"stray/{host_id}"))

    def _is_other(self, there: RouterStatus, before: tuple[str, str] | None) -> bool:
        """Is it not as it was told? One that was told something while its host was asked may be
        said to be either."""
        told = self._told.get(there.router_id)
        if told is None or there.trouble:
            return True
        return before == (told.digest, told.mark) and not told.is_as(there)

    # ---- one router -----------------------------------------------------------------------

    async def _see_to(self, router_id: UUID) -> None:
        """Let it be where it should be, as it should be, and nowhere else; or try again later."""
        delay_s = min(2 * self._delays_s.get(router_id, AGAIN_S / 2), LOOK_S)
        self._delays_s[router_id] = delay_s
        self._later[router_id] = self._steady() + delay_s
        try:
            host_id = await self._placed(router_id)
            for place in list(self._engine.cloud[router_places].by("router_id", router_id)):
                if place.host_id != host_id:
                    await self._leave(place)
            if host_id is not None:
                await self._tell(router_id, host_id)
            elif self._could_run(router_id):
                raise Unavailable(NOWHERE)
        except Refused as error:
            await self._say(router_id, str(error))
        except DriverError as error:
            await self._say(router_id, str(error), anew=False)
        except DomainError:
            pass  # It was changed, or its host was, in this moment.
        else:
            if router_id not in self._lost_s:
                del self._later[router_id], self._delays_s[router_id]

    async def _placed(self, router_id: UUID) -> UUID | None:
        """The host that it belongs to, which is in the log by then."""
        cloud = self._engine.cloud
        router = cloud[routers].get(router_id)
        if router is None or not is_wanted(router, cloud):
            self._told.pop(router_id, None)
            self._lost_s.pop(router_id, None)
            return None
        if router.host_id is not None and stays(router, cloud) and not self._is_given_up(router):
            return router.host_id
        host = choose(router, cloud, self._hosts, but=router.host_id)
        if host is None:
            return router.host_id if stays(router, cloud) else None
        self._doubt((router_id,))
        await self._engine.decide(PlaceRouter(id=router_id, host_id=host.id, place_id=uuid4()), BY)
        return host.id

    def _could_run(self, router_id: UUID) -> bool:
        """Has it anything to do, in a zone with hosts that could do it?"""
        cloud = self._engine.cloud
        router = cloud[routers].get(router_id)
        return (
            router is not None
            and is_wanted(router, cloud)
            and bool(able_clusters(router.zone_id, cloud, self._hosts))
        )

    def _is_given_up(self, router: Router) -> bool:
        """Has its host been out of reach for so long that another is to have it?"""
        host = self._engine.cloud[hosts].get(router.host_id)
        if host is None or host.state is not HostState.DISCONNECTED:
            self._lost_s.pop(router.id, None)
            return False
        since_s = self._lost_s.setdefault(router.id, self._steady())
        return self._steady() - since_s >= GIVEN_UP_S

    async def _leave(self, place: RouterPlace) -> None:
        """Remove a router from a host. One that cannot be reached is left for when it can."""
        host = self._engine.cloud[hosts].get(place.host_id)
        if host is not None and host.state is not HostState.UP:
            return
        if host is not None and can_run(self._hosts, host.hypervisor):
            session = cast(Routing, await self._hosts.session(host.id))
            await session.remove_router(place.router_id, key=place.id)
        await self._engine.decide(LeavePlace(id=place.id), BY)

    async def _tell(self, router_id: UUID, host_id: UUID) -> None:
        cloud = self._engine.cloud
        router, host = cloud[routers].get(router_id), cloud[hosts].get(host_id)
        if router is None or host is None or host.state is not HostState.UP:
            return
        # What served this network before would be its gateway as well, until it is gone.
        for place in list(cloud[router_places].by("host_id", host_id)):
            if place.serves_id == serves(router) and place.router_id not in cloud[routers]:
                await self._leave(place)
        told = self._told.setdefault(router_id, Told())
        session = cast(Routing, await self._hosts.session(host_id))
        telling = Telling(cloud, session, told, self._steady)
        await telling.tell(router, host.hypervisor, partial(self._concerns.note, router_id))
        await self._say(router_id, told.trouble)

    async def _say(self, router_id: UUID, trouble: str, *, anew: bool = True) -> None:
        """Record what is wrong; not `anew` where something is said already, which may differ in
        nothing but how a host that is out of reach failed to answer."""
        router = self._engine.cloud[routers].get(router_id)
        if router is None or (router.trouble and not anew):
            return
        if router.trouble != trouble or not router.known_at_ms:
            ask = TellRouter(id=router_id, trouble=trouble, at_ms=self._clock.now_ms())
            await self._engine.decide(ask, BY)
