"""What a guest may not do while snapshots of it are kept: they name its disks and its cards."""

from __future__ import annotations

from aggregates.errors import InUse
from aggregates.vm import Vm
from projections.cloud import Cloud
from projections.vm_snapshot import vm_snapshots


def refuse_while_kept(cloud: Cloud, vm: Vm, what: str) -> None:
    """Refuse what a snapshot could not be returned to from. `what` ends the sentence."""
    kept = next(iter(cloud[vm_snapshots].by("vm_id", vm.id)), None)
    if kept is not None:
        raise InUse(
            f"virtual machine {vm.name} has VM snapshot {kept.display_name} and {what}: "
            "delete its VM snapshots first"
        )
