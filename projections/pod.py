"""Pods as they are read."""

from aggregates.pod import Pod
from projections.table import table

pods = table(Pod, indexed=("zone_id",))

__all__ = ["Pod", "pods"]
