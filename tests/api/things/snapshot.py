"""A snapshot of a disk that is on a pool, and a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from engine.intents import SYSTEM
from engine.intents.snapshot import CreateSnapshot, SetSnapshotPolicy
from projections.volume import volumes
from tests.tenant.world import SMALL, TEMPLATE, ZONE, named

if TYPE_CHECKING:
    from tests.api.everybody import House


async def furnish(here: House) -> None:
    engine = here.controller.engine
    ask = {"zoneid": str(ZONE), "serviceofferingid": SMALL, "templateid": TEMPLATE}
    ask["networkids"] = str(here.thing("network"))
    told = await here.make("ann", "deployVirtualMachine", **ask, name="snapped")
    await engine.runner.wait(UUID(told["jobid"]))
    volume = next(one for one in engine.cloud[volumes] if one.pool_id is not None)
    snapshot = CreateSnapshot(snapshot_id=named("snapshot"), volume_id=volume.id, name="snapped")
    await engine.perform(snapshot, SYSTEM)
    policy = SetSnapshotPolicy(
        id=named("policy"), volume_id=volume.id, interval="MONTHLY", schedule="0:0:1",
        timezone="UTC", max_snapshots=1, now_ms=engine._clock.now_ms(),
    )  # fmt: skip
    await engine.decide(policy, SYSTEM)
