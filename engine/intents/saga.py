"""What may be asked of a job: to give up, or, once it is parked, to go on."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class CancelJob(Struct, frozen=True, kw_only=True):
    job_id: UUID


class MendJob(Struct, frozen=True, kw_only=True):
    """`way` is retry, skip or undo; it acts on the step that the job is parked at."""

    job_id: UUID
    way: str
