"""What may be asked of a job: to give up, or, once it is parked, to go on."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelJob:
    job_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class MendJob:
    """`way` is retry, skip or undo; it acts on the step that the job is parked at."""

    job_id: UUID
    way: str
