"""Tells a host what its router is to do: the picture whole, its leases as they change.

What was told is kept for each router, and which guests' leases have changed since. All of it may be
forgotten: then a router is told whole, whatever its host knew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from uuid import UUID, uuid4, uuid5

from aggregates.router import Router
from drivers.contract.errors import Refused
from drivers.contract.routing import LeaseChange, RouterStatus, Routing
from engine.routing.leases import Frame, all_leases, changed_leases, frame_of, guest_count
from engine.routing.picture import picture
from projections.cloud import Cloud

RESTS = 9
# Changes that come together are told together.
REST_S = 0.2
# dnsmasq compares each lease that it reads with all others: of these it takes a second for them.
GUESTS_MAX, READ_S = 16_000, 1.0
# Of so many guests it is told what DHCP cannot say of them.
SAID_MAX = 5
TOO_MANY = (
    f"its networks have more than {GUESTS_MAX:,} guests, to whom no router here tells addresses"
)


@dataclass(slots=True)
class Told:
    """What a router was told. `digest` and `mark` are empty where it has to be told again.

    `guests` may have other leases by now, and `left` are cards that have left its networks. `lacks`
    are sentences, of the picture and of what DHCP cannot say of cards (`unsaid`). `rest_s` is for
    how long it is to be left alone, in seconds.
    """

    digest: str = ""
    is_drawn: bool = False
    lacks: tuple[str, ...] = ()
    frame: Frame = frozenset()
    mark: str = ""
    guests: set[UUID] = field(default_factory=set)
    left: set[UUID] = field(default_factory=set)
    unsaid: dict[UUID, str] = field(default_factory=dict)
    count: int = 0
    rest_s: float = 0.0

    @property
    def is_beyond(self) -> bool:
        """Are its guests so many that it does not matter what becomes of one?"""
        return self.count > GUESTS_MAX

    @property
    def trouble(self) -> str:
        said = [*self.lacks, *islice(self.unsaid.values(), SAID_MAX)]
        if self.is_beyond:
            said.append(TOO_MANY)
        if (more := len(self.unsaid) - SAID_MAX) > 0:
            said.append(f"and {more} more guests asked DHCP for what it cannot say")
        return "; ".join(said)

    def is_as(self, there: RouterStatus) -> bool:
        """Does its host say of it what it was told?"""
        has_leases = self.frame and not self.is_beyond
        return there.digest == self.digest and (not has_leases or there.mark == self.mark)

    def doubt(self) -> None:
        """Tell it all again, though it is to be what it was told."""
        self.digest = self.mark = ""
        self.is_drawn = False


class Telling:
    """Of one router, on one host."""

    def __init__(
        self, cloud: Cloud, session: Routing, told: Told, steady: Callable[[], float]
    ) -> None:
        self._cloud, self._session, self._told, self._steady = cloud, session, told, steady

    async def tell(
        self, router: Router, hypervisor: str, note: Callable[[frozenset[UUID]], None]
    ) -> None:
        """Whatever it does not know yet. `note` is called with the rows that its picture is of.

        Where its host refuses the picture, what it did before goes on, and guests come and go.
        """
        self._told.rest_s = 0.0
        refused = None
        if not self._told.is_drawn:
            try:
                await self._tell_picture(router, hypervisor, note)
            except Refused as error:
                refused = error
        if self._told.frame:
            await self._tell_leases(router.id)
        if refused is not None:
            raise refused

    async def _tell_picture(
        self, router: Router, hypervisor: str, note: Callable[[frozenset[UUID]], None]
    ) -> None:
        told, began_s = self._told, self._steady()
        drawn = picture(self._cloud, router, hypervisor)
        digest = drawn.spec.digest
        # However fast its rules change, a tenth of the time goes into drawing them.
        told.rest_s += RESTS * (self._steady() - began_s)
        told.lacks = drawn.lacks
        note(drawn.parts)
        if (frame := frame_of(drawn.spec.nets)) != told.frame:
            told.frame, told.mark = frame, ""
        told.is_drawn = True
        if told.digest != digest:
            told.digest = ""
            try:
                await self._session.run_router(drawn.spec, key=uuid5(router.id, digest))
            except BaseException:
                told.is_drawn = False
                raise
            told.digest = digest

    async def _tell_leases(self, router_id: UUID) -> None:
        told = self._told
        if told.mark and (await self._tell_change(router_id)):
            return
        told.guests.clear()
        told.left.clear()
        told.unsaid.clear()
        began_s = self._steady()
        told.count = guest_count(self._cloud, told.frame)
        told.rest_s += RESTS * (self._steady() - began_s)
        if told.is_beyond:
            return
        leases = await all_leases(self._cloud, told.frame)
        await self._change(router_id, LeaseChange(now=uuid4().hex, come=tuple(leases)))

    async def _tell_change(self, router_id: UUID) -> bool:
        """Tell what has changed, if it is not too much and the host is where we left it."""
        told = self._told
        guests, left = set(told.guests), set(told.left)
        told.guests.clear()
        told.left.clear()
        if not guests and not left:
            return True
        told.count += len(guests)
        if told.is_beyond:
            return False
        come, gone = changed_leases(self._cloud, told.frame, guests)
        gone_for_good = left.union(gone) - {one.nic_id for one in come}
        change = LeaseChange(
            was=told.mark, now=uuid4().hex, come=tuple(come), gone=tuple(sorted(gone_for_good))
        )
        return await self._change(router_id, change)

    async def _change(self, router_id: UUID, change: LeaseChange) -> bool:
        """Until its host has said so nobody knows which leases it has."""
        told = self._told
        told.mark = ""
        unsaid = await self._session.tell_leases(
            router_id, change, key=uuid5(router_id, change.now)
        )
        if unsaid is None:
            return False
        told.mark = change.now
        told.rest_s += REST_S + READ_S * (told.count / GUESTS_MAX) ** 2
        for nic_id in (*change.gone, *(one.nic_id for one in change.come)):
            told.unsaid.pop(nic_id, None)
        names = {one.nic_id: one.name for one in change.come}
        told.unsaid |= {one: f"guest {names[one]}: {why}" for one, why in unsaid.items()}
        return True
