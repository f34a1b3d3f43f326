"""What may be asked of usage."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class ForgetUsage(Struct, frozen=True, kw_only=True):
    """Tell no more of what ended before a moment. `id` is the stream of this one fact."""

    id: UUID
    before_ms: int
