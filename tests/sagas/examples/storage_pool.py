"""Examples of the sagas of storage pool."""

from __future__ import annotations

from engine.intents.storage_pool import AddStoragePool, MaintainStoragePool, ServeStoragePool
from tests.sagas.rig import Rig
from tests.sagas.seed import (
    CLUSTER,
    POD,
    POOL,
    ZONE,
    named,
    running,
)


async def _add_pool(rig: Rig) -> object:
    where = {"zone_id": ZONE, "pod_id": POD, "cluster_id": CLUSTER}
    return AddStoragePool(
        id=named("pool 2"), name="p2", url="sim://pool2", scope="CLUSTER", **where
    )


async def _maintain(rig: Rig) -> object:
    await running(rig)
    return MaintainStoragePool(id=POOL)


async def _serve(rig: Rig) -> object:
    await rig.run(await _maintain(rig))
    return ServeStoragePool(id=POOL)


EXAMPLES = {
    "storage_pool.maintain:1": _maintain,
    "storage_pool.serve:1": _serve,
    "storage_pool.add:1": _add_pool,
}
