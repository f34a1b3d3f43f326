"""What a kind of hypervisor is let do, as the wire shows it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Cloud, View, view
from projections.hypervisor_capabilities import HypervisorCapabilities


@view
class HypervisorCapabilitiesView(View, kw_only=True):
    id: Annotated[UUID, "this row"]
    hypervisor: Annotated[str, "the kind of hypervisor"]
    hypervisor_version: Annotated[str, "its version, or default"]
    max_guests_limit: Annotated[int, "guests on one host, as tools are told"]
    max_data_volumes_limit: Annotated[int, "data disks that one guest may have"]
    max_hosts_per_cluster: Annotated[int | None, "hosts of a cluster, as tools are told"] = None
    security_group_enabled: Annotated[bool, "whether security groups can guard its guests"]
    storage_motion_enabled: Annotated[bool, "whether a guest can move together with its disks"]
    vm_snapshot_enabled: Annotated[bool, "whether a guest can be snapshot as a whole"]
    cannot: Annotated[dict[str, str] | None, "what this kind does not do, and why"] = None

    @classmethod
    def of(cls, row: HypervisorCapabilities, cloud: Cloud) -> HypervisorCapabilitiesView:
        return cls(
            id=row.id,
            hypervisor=row.hypervisor,
            hypervisor_version=row.hypervisor_version,
            max_guests_limit=row.max_guests,
            max_data_volumes_limit=row.max_data_volumes,
            max_hosts_per_cluster=row.max_hosts_per_cluster,
            security_group_enabled=row.security_group_enabled,
            storage_motion_enabled=row.storage_motion_enabled,
            vm_snapshot_enabled=row.vm_snapshot_enabled,
            cannot=row.cannot or None,
        )
