"""What may be asked of usage."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetUsage:
    """Tell no more of what ended before a moment. `id` is the stream of this one fact."""

    id: UUID
    before_ms: int
