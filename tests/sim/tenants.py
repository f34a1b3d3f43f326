"""Those who ask: at random, sensible most of the time, too late or twice now and then.

What can be asked for is declared in `tests/sim/wishes`, a function each. A tenant whose controller
died before it answered may ask again under the same id. What was acknowledged is remembered, for
the judges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar
from uuid import UUID

from aggregates.base import Aggregate
from aggregates.errors import DomainError
from aggregates.vm import VmState
from benchmarks.cloud import BY
from drivers.sim import SimWorld
from engine.decide import DECISIONS
from engine.engine import Engine, JobFailed
from engine.intents.job import AsJob
from projections.account import accounts
from projections.cloud import Cloud
from projections.table import TableSpec
from projections.vm import vms
from tests.sim.seeds import Chance
from tests.sim.wishes import OPERATORS, WISHES

R = TypeVar("R", bound=Aggregate)

BLIND = 0.1  # how often somebody asks without looking
AS_JOB = 0.3  # how often a decision is asked for as a job, as the wire does
TASTES = (0, 1, 1, 1, 3)  # how much more or less than usual a seed's tenants like one thing


class Tenants:
    """All who ask. `engine` is the one of the present life."""

    def __init__(
        self, seed: int, world: SimWorld, *, operators: bool, now_ms: Callable[[], int]
    ) -> None:
        self.chance = Chance(seed, "tenants")
        self.world, self.now_ms = world, now_ms
        self.engine: Engine
        self.accepted: list[UUID] = []
        self.told: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.unanswered: dict[UUID, object] = {}
        self._made = 0
        taste = Chance(seed, "taste").rng
        known = {name: one for name, one in WISHES.items() if operators or name not in OPERATORS}
        self._wishes = list(known)
        self._weights = [
            one.weight if one.always else one.weight * taste.choice(TASTES)
            for one in known.values()
        ]

    def next(self) -> Coroutine[Any, Any, None] | None:
        """Something to ask, ready to be run; None if there is nothing to choose from."""
        (name,) = self.chance.rng.choices(self._wishes, self._weights)
        ask: Any = WISHES[name].ask(self)
        if ask is None:
            return None
        self.asked[name] += 1
        if type(ask) not in DECISIONS:
            return self._submit(ask, self.chance.new_id())
        if self.chance.rng.random() >= AS_JOB:
            return self._decide(ask)
        job = AsJob(ask=ask, subject_kind="zone", subject_id=self.chance.new_id())
        return self._submit(job, self.chance.new_id())

    def again(self) -> Iterable[Coroutine[Any, Any, None]]:
        """What some of those who never got an answer ask once more, under the same id."""
        lost, self.unanswered = self.unanswered, {}
        for run_id, ask in lost.items():
            if self.chance.rng.random() < 0.5:
                yield self._submit(ask, run_id)

    async def _submit(self, ask: object, run_id: UUID) -> None:
        self.unanswered[run_id] = ask
        try:
            job = await self.engine.submit(ask, BY, run_id=run_id)
        except (DomainError, JobFailed) as no:
            self.told[type(no).__name__] += 1
        else:
            assert job.id == run_id
            self.accepted.append(run_id)
            self.told["accepted"] += 1
        self.unanswered.pop(run_id, None)

    async def _decide(self, ask: object) -> None:
        try:
            await self.engine.decide(ask, BY)
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
