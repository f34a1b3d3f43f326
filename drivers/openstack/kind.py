"""What this kind can do, and why it cannot do the rest."""

from __future__ import annotations

from drivers.contract.driver import Capabilities

KIND = "OpenStack"
NO_MEMORY = "Nova keeps images of disks, never the memory of a guest: take snapshots of its volumes"
CANNOT = {
    "grow_guest": "Nova gives a guest another size only by stopping it: stop it and scale it",
    "guest_growth": "Nova gives a guest another size only by stopping it: stop it and scale it",
    "snapshot_guest": NO_MEMORY,
    "revert_guest": NO_MEMORY,
    "forget_snapshot": NO_MEMORY,
    "guest_snapshots": NO_MEMORY,
    "limit_disk": "Cinder limits a disk by its volume type alone: give the pool's type a QoS spec",
    "disk_limits": "Cinder limits a disk by its volume type alone: give the pool's type a QoS spec",
    "storage_migration": "volumes stay where they are when a guest migrates: move them first",
    "run_hook": "a region runs no script on its compute hosts: use its own tools for them",
    "iso": "Nova has no call that puts a disc into a guest's drive",
}
CAPABILITIES = Capabilities(
    live_migration=True,
    disk_hot_plug=True,
    nic_hot_plug=True,
    snapshots=True,
    live_disk_move=True,
    adoption=True,
    image_formats=("qcow2", "raw"),
    pool_types={"cinder": "Cinder"},
    disk_unit_bytes=1024**3,
    adopted_formats=("raw",),
    cannot=CANNOT,
)
