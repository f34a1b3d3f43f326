"""Usage follows from the log; all that can be decided about it is what is told no more."""

from __future__ import annotations

from aggregates.errors import NotAllowed
from aggregates.usage import UsageForgotten
from engine.decide import Desk, decision
from engine.intents.usage import ForgetUsage
from projections.setting import is_on


@decision
def forget(ask: ForgetUsage, desk: Desk) -> None:
    if is_on(desk.cloud, "quota.enable.service"):
        raise NotAllowed(
            "balances of quotas are made from all usage: it cannot be forgotten while "
            "quota.enable.service is true"
        )
    desk.draft.append(ask.id, 0, UsageForgotten(before_ms=ask.before_ms))
