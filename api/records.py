"""Data nouns on the asynchronous wire: made, changed or removed by a job that is over at once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from api.caller import Caller, Job
from engine.intents.job import AsJob
from engine.intents.record import CreateRecord, RemoveRecord, UpdateRecord


async def create(caller: Caller, kind: str, fields: dict[str, Any]) -> Job:
    """A job that makes one thing."""
    row_id = caller.new_id()
    return await as_job(caller, CreateRecord(kind=kind, id=row_id, fields=fields), kind, row_id)


async def update(caller: Caller, kind: str, row_id: UUID, fields: dict[str, Any]) -> Job:
    """A job that changes one thing where it differs."""
    return await as_job(caller, UpdateRecord(kind=kind, id=row_id, fields=fields), kind, row_id)


async def remove(caller: Caller, kind: str, row_id: UUID) -> Job:
    """A job that removes one thing, unless something needs it."""
    return await as_job(caller, RemoveRecord(kind=kind, id=row_id), kind, row_id)


async def as_job(caller: Caller, ask: Any, kind: str, row_id: UUID) -> Job:
    """Any decision as a job about one thing."""
    return await caller.submit(AsJob(ask=ask, subject_kind=kind, subject_id=row_id))


def given(ask: Any, *names: str, **other: str) -> dict[str, Any]:
    """The fields that were sent, each from the parameter of its name unless `other` says which."""
    sources = {name: name for name in names} | other
    sent = {field: getattr(ask, attr) for field, attr in sources.items()}
    return {field: value for field, value in sent.items() if value is not None}
