"""Volumes as they are listed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any
from uuid import UUID

from api.commands import state_words
from api.commands.volume_checks import TEXT
from api.declare import Caller, Names, OneOf, Roles, part
from api.lists import CountOnly, Displayed, Filter, Test, list_command, none_is
from api.views.volume import VolumeView
from projections.storage_pool import storage_pools
from projections.vm import vms
from projections.volume import volumes


@part
class VolumeFilters(Displayed):
    """What volumes are listed by."""

    type: Annotated[str | None, "ROOT or DATADISK", OneOf("ROOT", "DATADISK"), Filter("kind")] = (
        None
    )
    state: Annotated[str | None, "in this state", state_words.VOLUME] = None
    zone_id: Annotated[UUID | None, "in this zone", Names("zone", right="see")] = None
    virtual_machine_id: Annotated[
        UUID | None, "of this virtual machine", Names("vm", right="see"), Filter("vm_id")
    ] = None
    disk_offering_id: Annotated[
        UUID | None,
        "of this offering",
        Names("disk_offering", right="see"),
        Filter("offering_id"),
    ] = None
    service_offering_id: Annotated[
        UUID | None,
        "root disks of guests sized by it",
        Names("service_offering", right="see"),
        Filter(),
    ] = None
    storage_id: Annotated[
        UUID | None, "on this pool", Names("storage_pool", right="see"), Filter("pool_id"), TEXT
    ] = None
    host_id: Annotated[
        UUID | None, "of guests on this host", Names("host", right="see"), Filter()
    ] = None
    cluster_id: Annotated[
        UUID | None, "on a pool of this cluster", Names("cluster", right="see"), Filter()
    ] = None
    pod_id: Annotated[UUID | None, "on a pool of this pod", Names("pod", right="see"), Filter()] = (
        None
    )
    is_encrypted: Annotated[bool | None, "encrypted: none is", Roles("Admin"), Filter()] = None
    list_system_vms: Annotated[
        bool | None, "of system virtual machines: they have none here", Roles("Admin"), Filter()
    ] = None
    display_volume: Annotated[
        bool | None, "shown to their owners, or not", Roles("Admin"), Filter("is_displayed")
    ] = None

    def tests(self, caller: Caller) -> Iterator[Test]:
        """What is asked of more than the row, and what only administrators see."""
        yield from super().tests(caller)
        if self.is_encrypted or self.list_system_vms:
            yield none_is
        if self.host_id is not None or self.service_offering_id is not None:
            yield lambda row: self._of_guest(row, caller)
        if self.cluster_id is not None or self.pod_id is not None:
            yield lambda row: self._on_pool(row, caller)

    def _of_guest(self, row: Any, caller: Caller) -> bool:
        vm = caller.cloud[vms].get(row.vm_id)
        if vm is None or self.host_id not in (None, vm.host_id):
            return False
        wanted = self.service_offering_id
        return wanted is None or (row.kind == "ROOT" and vm.service_offering_id == wanted)

    def _on_pool(self, row: Any, caller: Caller) -> bool:
        pool = caller.cloud[storage_pools].get(row.pool_id)
        if pool is None or self.cluster_id not in (None, pool.cluster_id):
            return False
        return self.pod_id in (None, pool.pod_id)


@list_command("listVolumes", view=VolumeView, table=volumes, key="volume")
class ListVolumes(VolumeFilters, CountOnly):
    """List volumes."""


@list_command(
    "listVolumesMetrics",
    view=VolumeView,
    table=volumes,
    key="volume",
    envelope="listvolumesresponse",
    since="4.9.3",
)
class ListVolumesMetrics(VolumeFilters, CountOnly):
    """List volumes, with what their guests have read and written while they run."""
