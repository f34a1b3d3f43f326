"""The line to a simulated host: when a verb takes effect, whether it does, and what is heard of it.

A line is four slots, so that thirty thousand are no burden.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from drivers.contract.errors import Refused, Unavailable, Unknown
from drivers.sim.faults import CLEAR, Fault
from drivers.sim.rows import SimHost
from drivers.sim.site import Site

T = TypeVar("T")


class SimLine:
    """A line to one host, which is looked up anew at each call, as it may have changed."""

    __slots__ = ("_lost", "_site", "url")

    def __init__(self, site: Site, url: str) -> None:
        self.url = url
        self._site = site
        self._lost = False

    def drop(self) -> None:
        """Lose the connection. The next verb finds out, and the one after that has a new one."""
        self._lost = True

    @property
    def _is_there(self) -> bool:
        host = self._site.world.hosts[self.url]
        return host.powered and host.reachable

    @property
    def _host(self) -> SimHost:
        """The host, if it is there to be talked to."""
        host = self._site.world.hosts[self.url]
        if not host.powered:
            raise Unavailable(f"{host.name} is without power")
        if not host.reachable:
            raise Unavailable(f"{host.name} is out of reach")
        return host

    async def _change(
        self,
        verb: str,
        subject: UUID,
        key: UUID,
        effect: Callable[[SimHost], T],
        *,
        where: str = "",
    ) -> T:
        """Run an effect on the thing `subject`, which is at this host or `where`, unless its key
        says that it comes too late."""
        world, place = self._site.world, where or self.url

        def in_time(host: SimHost) -> T:
            world.ask(place, subject, key, verb)
            return effect(host)

        return await self._call(verb, subject, in_time)

    async def _call(self, verb: str, subject: UUID | None, effect: Callable[[SimHost], T]) -> T:
        """Run `effect` at its moment, or fail as the faults have it.

        A host that is lost while a verb is under way leaves its caller with `Unknown`.
        """
        if self._lost:
            self._lost = False
            raise Unavailable(f"{self.url}: the connection was lost; the next call has a new one")
        faults = self._site.faults
        plan = faults.plan(verb, self.url, subject)
        if plan is CLEAR:
            return effect(self._host)
        what = f"{verb} {subject}" if subject else verb
        if plan.before_s:
            await faults.sleep(plan.before_s)
        host = self._host
        if plan.fault is Fault.BEFORE:
            raise Unavailable(f"{host.name}: {what} fails before it began, by seed")
        if plan.fault is Fault.REFUSED:
            raise Refused(f"{host.name}: {what} is refused, by seed")
        answers = [effect(host)] if plan.happens else []
        if plan.after_s:
            await faults.sleep(plan.after_s)
        if plan.fault is not None or not self._is_there:
            raise Unknown(f"{host.name}: the answer to {what} was lost")
        return answers[0]

    async def check(self, verb: str) -> None:
        """Raise what `verb` would raise, and do nothing."""
        await self._call(verb, None, lambda _: None)
