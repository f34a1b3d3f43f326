"""A pod or a cluster changes, and each of its hosts is told, as that decides what it offers.

Hosts may be many. They are told a few at a time, each time by a commit of its own, as all of them
in one would keep everybody else waiting. A crash in between is carried on from: who was told
already is passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID, uuid5

from aggregates.ids import id_numbered
from drivers.contract.errors import Refused
from engine.decide import Desk
from engine.decisions.host import DECIDES_OFFERS, is_told, resupply
from engine.intents import SYSTEM, By
from engine.intents.host import SupplyHosts
from engine.intents.job import AsJob
from engine.saga import Run, Saga
from projections.host import hosts
from projections.pieces import pieces
from projections.table import TableSpec

I = TypeVar("I")  # noqa: E741 - the intent
AT_ONCE = 200


def change_and_tell(
    saga: Saga[I], place: TableSpec[Any], decide: Callable[[I, Desk], None]
) -> None:
    """Give a saga its two steps: its subject, a `place` of hosts, is changed, and they are told."""
    within = f"{place.kind}_id"

    def place_id(run: Run[I]) -> UUID:
        found = saga.subject_id(run.intent)
        assert found is not None, f"{saga.name} names its {place.kind}"
        return found

    @saga.step
    def change(run: Run[I]) -> None:
        """A place of few hosts is changed with them, in one commit."""
        assert run.draft is not None
        there = run.cloud[hosts].by(within, place_id(run))
        before = _decides(run.row(place, place_id(run)))
        decide(run.intent, Desk(run.draft, run.world, By()))
        if len(there) <= AT_ONCE and _decides(run.row(place, place_id(run))) != before:
            resupply(run, there)

    @saga.step(timeout_s=3600)
    async def tell_hosts(run: Run[I]) -> None:
        """Each says what it offers as the place is at that moment, whoever changed that last."""
        there = run.cloud[hosts]
        ids = [id_numbered(one) for one in there.by(within, place_id(run)).numbers]
        async for some in pieces(ids, AT_ONCE):
            late = [one for one in some if one in there and not is_told(run.world, there[one])]
            if not late:
                continue
            told = SupplyHosts(ids=late)
            ask = AsJob(ask=told, subject_kind=place.kind, subject_id=place_id(run))
            child = uuid5(run.key, " ".join(map(str, late)))
            job = await run.world.children.submit(ask, SYSTEM, run_id=child)
            if why := await run.world.children.outcome(job.id):
                raise Refused(why)


def _decides(row: Any) -> list[Any]:
    return [getattr(row, name, None) for name in DECIDES_OFFERS]
