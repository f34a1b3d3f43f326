"""Those who ask: at random, sensible most of the time, too late or twice now and then.

What can be asked for is declared in `tests/sim/wishes`, a function each. A tenant whose controller
died before it answered may ask again under the same id. What was acknowledged is remembered, for
the judges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from aggregates.base import Aggregate
from aggregates.errors import DomainError
from aggregates.vm import VmState
from benchmarks.cloud import BY
from drivers.sim import SimWorld
from engine.decide import DECISIONS
from engine.engine import Engine, JobFailed
from engine.intents import By
from engine.intents.job import AsJob
from projections.account import accounts
from projections.cloud import Cloud
from projections.table import TableSpec
from projections.vm import vms
from tests.sim.seeds import Chance
from tests.sim.wishes import OPERATORS, WISHES

R = TypeVar("R", bound=Aggregate)
Fits = Callable[[Any], bool]

BLIND = 0.1  # how often somebody asks without looking
DRY = 0.1  # how often somebody looks first at what would happen
AS_JOB = 0.3  # how often a decision is asked for as a job, as the wire does
TASTES = (0, 1, 1, 1, 3)  # how much more or less than usual a seed's tenants like one thing
OF_THEME = 4  # how much more than usual they like each thing of one module


class Tenants:
    """All who ask. `engine` is the one of the present life."""

    def __init__(
        self,
        seed: int,
        world: SimWorld,
        home: Path,
        *,
        operators: bool,
        now_ms: Callable[[], int],
    ) -> None:
        self.chance = Chance(seed, "tenants")
        self.world, self.home, self.now_ms = world, home, now_ms
        self.engine: Engine
        self.accepted: list[UUID] = []
        self.told: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.unanswered: dict[UUID, tuple[object, By]] = {}
        self._made = 0
        taste = Chance(seed, "taste").rng
        known = {name: one for name, one in WISHES.items() if operators or name not in OPERATORS}
        self._wishes = list(known)
        theme = taste.choice(sorted({one.theme for one in WISHES.values()}))
        self._weights = [
            one.weight
            if one.always
            else one.weight * taste.choice(TASTES) * (OF_THEME if one.theme == theme else 1)
            for one in known.values()
        ]

    def next(self) -> Coroutine[Any, Any, None] | None:
        """Something to ask, ready to be run; None if there is nothing to choose from."""
        (name,) = self.chance.rng.choices(self._wishes, self._weights)
        ask: Any = WISHES[name].ask(self)
        if ask is None:
            return None
        self.asked[name] += 1
        by = self._somebody(name)
        if type(ask) not in DECISIONS:
            return self._submit(ask, self.chance.new_id(), by)
        if self.chance.rng.random() >= AS_JOB:
            return self._decide(ask, by)
        job = AsJob(ask=ask, subject_kind="zone", subject_id=self.chance.new_id())
        return self._submit(job, self.chance.new_id(), by)

    def _somebody(self, name: str) -> By:
        """Whoever may ask: what may be asked by whom is the API's to know."""
        others = [row.id for row in self.cloud[accounts] if row.name != "system"]
        asks = BY.account_id if self.rarely(0.5) else self.pick(*others)
        return By(account_id=asks, action=name.upper())

    def again(self) -> Iterable[Coroutine[Any, Any, None]]:
        """What some of those who never got an answer ask once more, under the same id."""
        lost, self.unanswered = self.unanswered, {}
        for run_id, (ask, by) in lost.items():
            if self.chance.rng.random() < 0.5:
                yield self._submit(ask, run_id, by)

    async def _rehearse(self, ask: object, by: By) -> None:
        """Ask what would happen: that promises nothing, and is refused as the real thing is."""
        if self.rarely(DRY):
            with suppress(DomainError, JobFailed):
                await self.engine.plan(ask, by)

    async def _submit(self, ask: object, run_id: UUID, by: By) -> None:
        self.unanswered[run_id] = ask, by
        await self._rehearse(ask, by)
        try:
            job = await self.engine.submit(ask, by, run_id=run_id)
        except (DomainError, JobFailed) as no:
            self.told[type(no).__name__] += 1
        else:
            assert job.id == run_id
            self.accepted.append(run_id)
            self.told["accepted"] += 1
        self.unanswered.pop(run_id, None)

    async def _decide(self, ask: object, by: By) -> None:
        await self._rehearse(ask, by)
        try:
            await self.engine.decide(ask, by)
        except DomainError as no:
            self.told[type(no).__name__] += 1
        else:
            self.told["decided"] += 1

    # ---- choosing: what wishes are made of -----------------------------------------------

    @property
    def cloud(self) -> Cloud:
        return self.engine.cloud

    def one(
        self, spec: TableSpec[R], fits: Callable[[R], bool] = lambda row: True, *, of: Any = None
    ) -> R | None:
        """One of the rows that fit; any row for who does not look. `of`: only of its owner."""
        blind = self.rarely(BLIND)
        mine = self.cloud[spec] if of is None else self.cloud[spec].by("account_id", of.account_id)
        found = [row for row in mine if blind or fits(row)]
        return self.chance.rng.choice(found) if found else None

    def near(self, spec: TableSpec[Any], to: Any, fits: Fits = lambda row: True) -> Any:
        """One of its owner in its zone: what is elsewhere, the API refuses to pair with it."""
        found: Any = self.one(spec, lambda row: row.zone_id == to.zone_id and fits(row), of=to)
        return found if found is not None and found.zone_id == to.zone_id else None

    def vm(self, *states: VmState) -> Any:
        return self.one(vms, lambda vm: vm.job_id is None and vm.state in states)

    def owner(self) -> dict[str, UUID]:
        """Somebody who may own things: an account, be it a project's."""
        row = self.one(accounts, lambda one: one.state == "enabled" and one.name != "system")
        assert row is not None
        return {"account_id": row.id, "domain_id": row.domain_id}

    def rarely(self, how_often: float) -> bool:
        return self.chance.rng.random() < how_often

    def pick(self, *choices: Any) -> Any:
        return self.chance.rng.choice(choices)

    def name(self, kind: str) -> str:
        self._made += 1
        return f"{kind}-{self._made}"

    def new_id(self) -> UUID:
        return self.chance.new_id()
