"""Events and alerts leave their lists when they are old enough. The log has them all the same."""

from __future__ import annotations

from itertools import islice
from uuid import NAMESPACE_OID, uuid5

from msgspec.structs import replace

from engine.chores.chore import BY, chore
from engine.engine import Engine
from engine.intents.event_list import PutEventsAway
from engine.intents.finding import PutAlertsAway
from projections.event_list import EventList
from projections.finding import findings
from projections.setting import number_of

DAY_MS = 24 * 3_600_000
PURGED_A_ROUND = 5_000


@chore(setting="event.purge.interval")
async def purge_events(engine: Engine, now_ms: int) -> None:
    days = number_of(engine.cloud, "event.purge.delay")
    if not days:
        return
    listed = engine.cloud.view(EventList).before(now_ms - days * DAY_MS)
    old = tuple(one.position for one in islice(listed, PURGED_A_ROUND))
    if old:
        made = uuid5(NAMESPACE_OID, f"purge of events/{now_ms}")
        ask = PutEventsAway(id=made, positions=old, deleted=True)
        await engine.decide(ask, replace(BY, action="EVENT.DELETE"))


@chore(setting="alert.purge.interval")
async def purge_alerts(engine: Engine, now_ms: int) -> None:
    """What was found and is still so is only put away: it would be found again."""
    days = number_of(engine.cloud, "alert.purge.delay")
    if not days:
        return
    old = [
        row.id
        for row in engine.cloud[findings]
        if row.shelf != "deleted" and row.created_at_ms < now_ms - days * DAY_MS
    ]
    if old:
        ask = PutAlertsAway(ids=tuple(old[:PURGED_A_ROUND]), deleted=True)
        await engine.decide(ask, replace(BY, action="ALERT.DELETE"))
