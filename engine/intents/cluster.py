"""What may be asked of a cluster."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct

# Settings that, set for a cluster, are the cluster's own ratios: its hosts offer by them.
RATIOS = {
    "cpu.overprovisioning.factor": "cpu_overcommit",
    "mem.overprovisioning.factor": "memory_overcommit",
}


class AddCluster(Struct, frozen=True, kw_only=True):
    """The name of the hypervisor in any spelling; overcommit ratios come from the settings."""

    id: UUID
    fields: dict[str, Any]


class UpdateCluster(Struct, frozen=True, kw_only=True):
    """Its hosts are told by and by what they offer from then on."""

    id: UUID
    fields: dict[str, Any]


class SetRatio(Struct, frozen=True, kw_only=True):
    """Change one of `RATIOS` for a cluster; without a value, what its zone has counts again.

    `setting_id` is for a first change. Its hosts are told by and by.
    """

    cluster_id: UUID
    setting_id: UUID
    name: str
    value: str | None
