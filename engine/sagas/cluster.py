"""Change a cluster. What its hosts offer by that each has to be told, and they may be many."""

from __future__ import annotations

from engine.decisions import cluster as decisions
from engine.decisions.setting import set_ratio
from engine.intents.cluster import SetRatio, UpdateCluster
from engine.offers import change_and_tell
from engine.saga import Saga
from projections.cluster import clusters

update_cluster = Saga(
    "cluster.update:1", UpdateCluster, "cluster", lambda ask: ask.id, forward_only=True
)
change_and_tell(update_cluster, clusters, decisions.change)

change_ratio = Saga(
    "cluster.set_ratio:1", SetRatio, "cluster", lambda ask: ask.cluster_id, forward_only=True
)
change_and_tell(change_ratio, clusters, set_ratio)
