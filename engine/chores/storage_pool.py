"""What a storage pool offers follows the settings: a pool that offers otherwise is told anew."""

from __future__ import annotations

from engine.chores.chore import BY, chore
from engine.decisions.storage_pool import THRESHOLD
from engine.engine import Engine
from engine.intents.storage_pool import SupplyStoragePool
from projections.setting import number_of
from projections.space import Space
from projections.storage_pool import storage_pools


@chore(every_s=60)
async def tell_pools_their_threshold(engine: Engine, now_ms: int) -> None:
    known = engine.cloud.view(Space).pools
    for pool in list(engine.cloud[storage_pools]):
        supply = known[pool.id].supply if pool.id in known else None
        wanted = number_of(engine.cloud, THRESHOLD, pool.zone_id)
        if supply is not None and supply.threshold != wanted:
            await engine.decide(SupplyStoragePool(id=pool.id), BY)
