"""What is known of usage beside the lives of things: that some of it was forgotten."""

from __future__ import annotations

from aggregates.base import Event, event


@event("usage.forgotten")
class UsageForgotten(Event, frozen=True, kw_only=True):
    """What ended before this moment is told no more. The log has it all the same."""

    before_ms: int
