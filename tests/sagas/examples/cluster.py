"""Examples of the sagas of clusters."""

from __future__ import annotations

from engine.intents.cluster import SetRatio, UpdateCluster
from tests.sagas.rig import Rig
from tests.sagas.seed import CLUSTER, named


async def _close(rig: Rig) -> object:
    fields = {"name": "closed", "allocation_state": "Disabled", "managed_state": "Unmanaged"}
    return UpdateCluster(id=CLUSTER, fields=fields)


async def _promise_more(rig: Rig) -> object:
    name = "mem.overprovisioning.factor"
    return SetRatio(cluster_id=CLUSTER, setting_id=named("ratio"), name=name, value="1.5")


EXAMPLES = {"cluster.update:1": _close, "cluster.set_ratio:1": _promise_more}
