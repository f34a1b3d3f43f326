"""What a storage pool offers follows the settings: a pool that offers otherwise is told anew."""

from __future__ import annotations

from engine.chores.chore import BY, chore
from engine.decisions.storage_pool import THRESHOLD, takes_volumes
from engine.engine import Engine
from engine.intents.storage_pool import SupplyStoragePool
from projections.pieces import pieces
from projections.setting import number_of
from projections.space import Space
from projections.storage_pool import storage_pools


@chore(every_s=60)
async def tell_pools_their_thresholds(engine: Engine, now_ms: int) -> None:
    known = engine.cloud.view(Space).pools
    async for some in pieces(list(engine.cloud[storage_pools])):
        for pool in some:
            supply = known[pool.id].supply if pool.id in known else None
            if supply is None:
                continue
            wanted = number_of(engine.cloud, THRESHOLD, pool.id, pool.zone_id)
            takes = takes_volumes(engine.cloud, pool)
            if (supply.threshold, supply.enabled) != (wanted, takes):
                await engine.decide(SupplyStoragePool(id=pool.id), BY)
