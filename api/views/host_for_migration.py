"""A host as a place to move a running guest to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from api.declare import Cloud, view
from api.views.host import MIB, HostView
from projections.host import Host
from projections.storage_pool import is_reached, storage_pools
from projections.vm import Vm
from projections.vm_snapshot import vm_snapshots
from projections.volume import volumes


@view
class HostForMigrationView(HostView, kw_only=True):
    """A host, whether a guest could move to it, and what stands in the way."""

    requires_storage_motion: Annotated[
        bool, "whether disks must go along: migrateVirtualMachineWithVolume does that"
    ] = msgspec.field(name="requiresStorageMotion")
    unsuitable_because: Annotated[str | None, "why the guest cannot move to it"] = None

    @classmethod
    def suited(cls, host: Host, vm: Vm, cloud: Cloud) -> HostForMigrationView:
        plain = HostView.of(host, cloud)
        fields = {name: getattr(plain, name) for name in plain.__struct_fields__}
        short = list(_short(plain, vm))
        disks = list(cloud[volumes].by("vm_id", vm.id))
        far = any(
            disk.pool_id is not None and not is_reached(cloud[storage_pools][disk.pool_id], host)
            for disk in disks
        )
        why = [*_barred(host, vm), *short]
        if far and any(True for _ in cloud[vm_snapshots].by("vm_id", vm.id)):
            why.append("its disks hold VM snapshots, which do not go along")
        made = cls(**fields, requires_storage_motion=far)
        made.has_enough_capacity = not short
        made.suitable_for_migration = not why
        made.unsuitable_because = "; ".join(why) or None
        return made


def _short(host: HostView, vm: Vm) -> Iterator[str]:
    free_mhz = int(host.cpu_with_overprovisioning or 0) - (host.cpu_allocated_value or 0)
    free_bytes = int(host.memory_with_overprovisioning or 0) - (host.memory_allocated or 0)
    wanted_mhz = vm.cpu_count * vm.cpu_mhz
    if free_mhz < wanted_mhz:
        yield f"{free_mhz} MHz are free and it wants {wanted_mhz}"
    if free_bytes < vm.memory_mib * MIB:
        yield f"{free_bytes // MIB} MiB are free and it wants {vm.memory_mib}"


def _barred(host: Host, vm: Vm) -> Iterator[str]:
    if not host.is_usable:
        yield f"it is {host.state}, {host.resource_state}"
    missing = sorted(set(vm.host_tags) - set(host.tags))
    if missing:
        yield f"it has no tag {', '.join(missing)}"
