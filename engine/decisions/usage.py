"""Usage follows from the log; all that can be decided about it is what is told no more."""

from __future__ import annotations

from aggregates.usage import UsageForgotten
from engine.decide import Desk, decision
from engine.intents.usage import ForgetUsage


@decision
def forget(ask: ForgetUsage, desk: Desk) -> None:
    desk.draft.append(ask.id, 0, UsageForgotten(before_ms=ask.before_ms))
