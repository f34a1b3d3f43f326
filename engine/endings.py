"""Ends everything that an account owns: each row by a job of its own, as its noun says.

A child's id follows from the row and its version, so that a crash finds the child again, and a row
that has moved on since is asked anew. What another job has is waited for. Rounds go on for as long
as they bring anything about, so that no order has to be got right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any
from uuid import UUID, uuid5

from aggregates.errors import DomainError, InUse, NotFound
from aggregates.record import RECORDS
from aggregates.saga import RunState
from engine.intents import By
from engine.intents.ending import ENDINGS, OUTLIVES, THINGS, Ending, Rows
from engine.intents.job import AsJob
from engine.intents.record import RemoveRecord
from engine.saga import BY_INTENT, Run
from projections.account import accounts
from projections.cloud import Cloud
from projections.saga import saga_runs
from projections.table import TABLES

SIDE_BY_SIDE = 4


def ending_of(kind: str) -> Ending | None:
    """What ends rows of a noun; None for one that is more than data and has not said it."""
    if kind not in ENDINGS and kind in RECORDS:
        return Ending(lambda row: RemoveRecord(kind=kind, id=row.id))
    return ENDINGS.get(kind)


def ask_to_end(kind: str, row: Any) -> object:
    known = ending_of(kind)
    assert known is not None, f"{kind} has not said how it ends: engine/intents/ending.py"
    return known.ask(row)


def owned_kinds() -> list[str]:
    """The nouns whose rows end with an account, in the order of their turns."""
    found = [
        kind
        for kind, spec in TABLES.items()
        if kind not in OUTLIVES
        and ("account_id" in spec.row.__struct_fields__ or _finds(kind) is not None)
    ]
    return sorted(found, key=lambda kind: (_turn(kind), kind))


def owned(cloud: Cloud, account_id: UUID) -> Iterator[tuple[str, Any]]:
    """Everything that an account owns, by turns."""
    for kind in owned_kinds():
        finds, spec = _finds(kind), TABLES[kind]
        if finds is not None:
            yield from ((kind, row) for row in finds(cloud, account_id))
        elif "account_id" in spec.indexed:
            yield from ((kind, row) for row in cloud[spec].by("account_id", account_id))
        else:
            yield from ((kind, row) for row in cloud[spec] if row.account_id == account_id)


def kept_in(cloud: Cloud, domain_id: UUID) -> Iterator[tuple[str, Any]]:
    """What is a domain's own: no account's, or of one elsewhere, as a network that serves it."""
    for kind, spec in TABLES.items():
        fields = spec.row.__struct_fields__
        if kind in OUTLIVES or not {"account_id", "domain_id"} <= set(fields):
            continue
        indexed = "domain_id" in spec.indexed
        for row in cloud[spec].by("domain_id", domain_id) if indexed else cloud[spec]:
            if row.domain_id == domain_id and not _is_at_home(cloud, row):
                yield kind, row


def _is_at_home(cloud: Cloud, row: Any) -> bool:
    """Whether its account is of its domain, and it ends with that."""
    account = cloud[accounts].get(row.account_id)
    return account is not None and account.domain_id == row.domain_id


def _finds(kind: str) -> Rows | None:
    return ENDINGS[kind].rows if kind in ENDINGS else None


def _turn(kind: str) -> int:
    known = ending_of(kind)
    return THINGS if known is None else known.turn


async def end_all(run: Run[Any], rows: Callable[[], Iterable[tuple[str, Any]]]) -> None:
    """End rows until there are none. `InUse` when a whole round brought nothing about."""
    while left := list(rows()):
        gone, refused = 0, list[str]()
        for _, turn in groupby(left, key=lambda pair: _turn(pair[0])):
            for why in await _side_by_side(run, list(turn)):
                gone += not why
                refused += [why] if why else []
        if not gone:
            raise InUse("; ".join(refused[:5]) + ": mend that, then retry this job")


async def _side_by_side(run: Run[Any], rows: list[tuple[str, Any]]) -> list[str]:
    turns = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(kind: str, row: Any) -> str:
        async with turns:
            return await end_row(run, kind, row.id)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(kind, row)) for kind, row in rows]
    return [task.result() for task in tasks]


async def end_row(run: Run[Any], kind: str, row_id: UUID) -> str:
    """End one row by a job of its own; says why not, or nothing when it may be looked at again."""
    row, children = run.cloud[TABLES[kind]].get(row_id), run.world.children
    if row is None:
        return ""
    for user in _waited_for(run, kind, row):
        await children.outcome(user)
    wanted: Any = ask_to_end(kind, row)
    if type(wanted) not in BY_INTENT:
        wanted = AsJob(ask=wanted, subject_kind=kind, subject_id=row_id)
    by = By(account_id=run.account_id, user_id=run.user_id)
    try:
        child = uuid5(run.key, f"{row_id}/{row.version}")
        job = await children.submit(wanted, by, run_id=child)
    except NotFound:
        return ""
    except DomainError as refused:
        busy = getattr(row, "job_id", None) or getattr(row, "ending", None)
        if busy is None or not _works(run, busy):
            return str(refused)
        await children.outcome(busy)
        return ""
    return await children.outcome(job.id)


def _waited_for(run: Run[Any], kind: str, row: Any) -> list[UUID]:
    """Who uses the row at this moment. Whoever comes later finds that it ends."""
    known = ending_of(kind)
    waits = () if known is None or known.waits is None else known.waits(run.cloud, row)
    return [job_id for job_id in waits if _works(run, job_id)]


def _works(run: Run[Any], job_id: UUID) -> bool:
    """Is that job at work, so that waiting for it is worth something?"""
    job = run.cloud[saga_runs].get(job_id)
    return job is not None and job.state in (RunState.RUNNING, RunState.UNDOING)
