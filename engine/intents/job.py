"""A decision answered as a job: for what the wire calls asynchronous though nothing is left to do.

The job is over the moment it exists: its record and what was decided are one commit. A refusal is
the caller's at once, and no job remains of it.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct


class AsJob(Struct, frozen=True, kw_only=True):
    """`ask` is any intent that is decided; the subject is what the job's answer shows."""

    ask: Any
    subject_kind: str
    subject_id: UUID
