"""What goes wrong with the machines: by seed, one thing after the other, and all of it logged.

One controller at least is left alone at any time. What is broken is mended again: a run ends with
all machines up and every line whole.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from tests.chaos.machines import Cluster, Controller

# How long after a line to PostgreSQL broke a server may still answer from what it knows.
GRACE_S = 3.0


@dataclass(frozen=True, slots=True)
class Act:
    """Something that was done to the machines, from when to when. `server` -1: to all."""

    what: str
    began_s: float
    ended_s: float
    server: int = -1
    cuts_store: bool = False


@dataclass
class Nemesis:
    """Breaks things until `until_s`."""

    cluster: Cluster
    seed: int
    until_s: float
    pause_s: tuple[float, float] = (5.0, 20.0)
    outage_s: float = 0.0
    acts: list[Act] = field(default_factory=list)
    restarts_s: list[float] = field(default_factory=list)
    _hurt: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.rng = random.Random(f"{self.seed}/nemesis")
        self.began_s = monotonic()

    async def run(self) -> None:
        """Several things may be broken at once; all are mended when this returns."""
        chances: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (4, self._kill),
            (4, self._pause),
            (3, self._cut_store),
            (2, self._sever_store),
            (3, self._cut_world),
            (3, self._cut_clients),
            (1, self._restart_store),
        ]
        if self.cluster.broker is not None:
            chances += [(2, self._restart_broker), (1, self._pause_broker)]
        weights, acts = zip(*chances, strict=True)
        async with asyncio.TaskGroup() as group:
            # The two worst, then each sort of thing once in an order by seed; then at random.
            due = [*self.rng.sample(acts, len(acts)), self._pause, self._kill]
            if self.outage_s and self.cluster.broker is not None:
                group.create_task(self._lose_broker(), name="Kafka gone")
            while monotonic() < self.until_s:
                await asyncio.sleep(1.0 + self.rng.random() * 2.0)
                act = due.pop() if due else self.rng.choices(acts, weights)[0]
                group.create_task(act(), name=act.__name__)  # type: ignore[arg-type]

    @property
    def counts(self) -> Counter[str]:
        return Counter(act.what for act in self.acts)

    def may_be_stale(self, server: int, began_s: float, ended_s: float) -> bool:
        """Whether a server may have answered from what it knew: its way to the log was cut."""
        return any(
            act.cuts_store
            and act.server in (-1, server)
            and began_s < act.ended_s + GRACE_S
            and ended_s > act.began_s
            for act in self.acts
        )

    # ---- what may happen -----------------------------------------------------------------

    async def _kill(self) -> None:
        async with self._one("SIGKILL") as hit:
            if hit is not None:
                await hit.process.end(signal.SIGKILL)
                await asyncio.sleep(self.rng.random() * 3.0)
                self.restarts_s.append(await hit.start())

    async def _pause(self) -> None:
        async with self._one("SIGSTOP") as hit:
            if hit is not None:
                hit.process.pause()
                await asyncio.sleep(self.rng.uniform(*self.pause_s))
                hit.process.resume()

    async def _cut_store(self) -> None:
        async with self._one("store line cut", cuts_store=True, hurts=False) as hit:
            if hit is not None:
                hit.to_store.cut()

    async def _sever_store(self) -> None:
        async with self._one("store out of reach", cuts_store=True) as hit:
            if hit is not None:
                hit.to_store.sever()
                await asyncio.sleep(2.0 + self.rng.random() * 6.0)
                hit.to_store.heal()

    async def _cut_world(self) -> None:
        async with self._one("hosts out of reach", hurts=False) as hit:
            if hit is not None:
                hit.to_world.sever()
                await asyncio.sleep(self.rng.random() * 3.0)
                hit.to_world.heal()

    async def _cut_clients(self) -> None:
        async with self._one("clients cut", hurts=False) as hit:
            if hit is not None and hit.to_it is not None:
                hit.to_it.cut()

    async def _restart_store(self) -> None:
        async with self._noted("PostgreSQL restart", cuts_store=True):
            store, mode = self.cluster.store, self.rng.choice(("fast", "immediate"))
            await asyncio.to_thread(store.stop, mode)
            await asyncio.sleep(self.rng.random() * 2.0)
            await asyncio.to_thread(store.start)

    async def _restart_broker(self) -> None:
        if self._take(-2):
            async with self._noted("Kafka restart"):
                assert self.cluster.broker is not None
                hard = self.rng.random() < 0.5
                await asyncio.to_thread(
                    self.cluster.broker.kill if hard else self.cluster.broker.stop
                )
                await asyncio.sleep(self.rng.random() * 3.0)
                await asyncio.to_thread(self.cluster.broker.start)
            self._hurt.discard(-2)

    async def _lose_broker(self) -> None:
        """For long: the cloud goes on, and afterwards everybody catches up in order."""
        if self._take(-2):
            async with self._noted("Kafka gone"):
                assert self.cluster.broker is not None
                await asyncio.to_thread(self.cluster.broker.stop)
                await asyncio.sleep(self.outage_s)
                await asyncio.to_thread(self.cluster.broker.start)
            self._hurt.discard(-2)

    async def _pause_broker(self) -> None:
        if self._take(-2):
            async with self._noted("Kafka SIGSTOP"):
                assert self.cluster.broker is not None
                self.cluster.broker.pause()
                await asyncio.sleep(2.0 + self.rng.random() * 6.0)
                self.cluster.broker.resume()
            self._hurt.discard(-2)

    # ---- book-keeping --------------------------------------------------------------------

    def _take(self, what: int) -> bool:
        if what in self._hurt:
            return False
        self._hurt.add(what)
        return True

    @asynccontextmanager
    async def _one(
        self, what: str, *, cuts_store: bool = False, hurts: bool = True
    ) -> AsyncIterator[Controller | None]:
        """A controller to hit. None if all others are hurt already: somebody must go on."""
        rest = [one for one in self.cluster.controllers if one.number not in self._hurt]
        spare = 1 if len(self.cluster.controllers) > 1 else 0
        if len(rest) <= (spare if hurts else 0):
            yield None
            return
        hit = self.rng.choice(rest)
        if hurts:
            self._hurt.add(hit.number)
        try:
            async with self._noted(what, hit.number, cuts_store=cuts_store):
                yield hit
        finally:
            if hurts:
                self._hurt.discard(hit.number)

    @asynccontextmanager
    async def _noted(
        self, what: str, server: int = -1, *, cuts_store: bool = False
    ) -> AsyncIterator[None]:
        began = monotonic()
        try:
            yield
        finally:
            self.acts.append(Act(what, began, monotonic(), server, cuts_store))

    async def watch(self) -> None:
        """Start again what ended by itself, and remember that it did: nothing may."""
        while monotonic() < self.until_s:
            world = self.cluster.world
            assert not world.has_ended, f"the simulator ended:\n{world.tail()}"
            for one in self.cluster.controllers:
                if one.process.has_ended and one.number not in self._hurt:
                    self.cluster.crashes.append(f"{one.process.name}: {one.process.tail()[-600:]}")
                    self._hurt.add(one.number)
                    await one.process.end()
                    await one.start()
                    self._hurt.discard(one.number)
            await asyncio.sleep(0.5)

    def story(self) -> list[str]:
        """The acts as lines, by their time from the beginning."""
        return [
            f"{act.began_s - self.began_s:7.1f} .. {act.ended_s - self.began_s:5.1f} s"
            f"  {act.what}" + (f" (controller {act.server})" if act.server >= 0 else "")
            for act in sorted(self.acts, key=lambda act: act.began_s)
        ]
