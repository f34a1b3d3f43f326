"""Examples of the sagas of storage pool."""

from __future__ import annotations

from engine.intents.storage_pool import AddStoragePool
from tests.sagas.rig import Rig
from tests.sagas.seed import (
    CLUSTER,
    POD,
    ZONE,
    named,
)


async def _add_pool(rig: Rig) -> object:
    where = {"zone_id": ZONE, "pod_id": POD, "cluster_id": CLUSTER}
    return AddStoragePool(
        id=named("pool 2"), name="p2", url="sim://pool2", scope="CLUSTER", **where
    )


EXAMPLES = {
    "storage_pool.add:1": _add_pool,
}
