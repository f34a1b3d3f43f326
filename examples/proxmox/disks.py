"""Disks and snapshots of disks, each carried by a VM that never runs: see `marks`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cluster import Cluster, Vm
from failures import Missing, Refused, Taken, Unavailable
from marks import DISK, FIRST_VMID, SNAPSHOT, Mark, Thing, read, tags, volume_of
from pools import FILE_BASED, Pools, Said, demand_image, importable

MIB, GIB = 2**20, 2**30
UNIT_BYTES = 4 * MIB  # What LVM lays out at once.
NOTE = "Carries a disk of a Sagastack cloud: never start it or remove it by hand."


def carried(config: dict[str, Any]) -> tuple[str, str]:
    """The slot and the volume of the one disk that a VM carries."""
    slots = [one for one in config if one.startswith("scsi") and one[4:].isdigit()]
    if not slots:
        raise Unavailable(f"{config.get('name')} carries no disk yet")
    return slots[0], volume_of(config[slots[0]])


def whole(size_bytes: int) -> int:
    return -(-size_bytes // UNIT_BYTES) * UNIT_BYTES


class Disks:
    """The disks of one node's storages."""

    def __init__(self, cluster: Cluster, node: str) -> None:
        self.cluster, self.line, self.node = cluster, cluster.line, node
        self.pools = Pools(cluster, node)

    def disk(self, pool: Said, volume_id: str) -> Thing:
        return Thing(DISK, volume_id, self.pools.storage(pool))

    def snapshot(self, pool: Said, snapshot_id: str) -> Thing:
        return Thing(SNAPSHOT, snapshot_id, self.pools.storage(pool))

    # Looking.

    def find(self, thing: Thing) -> Said | None:
        found = self.cluster.find(thing)
        return None if found is None else self.status(thing, found[0])

    def status(self, thing: Thing, vm: Vm) -> Said:
        for one in self.pools.content(thing.storage, "images"):
            if int(one.get("vmid") or 0) == vm["vmid"]:
                return told(thing, one)
        raise Unavailable(f"VM {vm['vmid']} carries {thing.name}, which is not in its storage")

    def listed(self, pool: Said, kind: str) -> list[Said]:
        """All of a kind in a storage. Disks of others' VMs are strangers, and so listed."""
        storage = self.pools.storage(pool)
        by_number = {one["vmid"]: (one, read(one).thing) for one in self.cluster.vms()}
        found: dict[str, tuple[int, Said]] = {}
        for one in self.pools.content(storage, "images"):
            _, thing = by_number.get(int(one.get("vmid") or 0), ({}, None))
            if thing is None:
                if kind == DISK:
                    found[one["volid"]] = (0, told(None, one))
            elif thing.kind == kind and thing.generation >= found.get(thing.id, (0, {}))[0]:
                found[thing.id] = (thing.generation, told(thing, one))
        return [one for _, one in found.values()]

    def holder(self, thing: Thing) -> tuple[Vm, Mark, str] | None:
        """The guest that has a disk, and in which slot."""
        for vm, mark in self.cluster.marked():
            for slot, one in mark.holds.items():
                if (one.id, one.storage) == (thing.id, thing.storage.lower()):
                    return vm, mark, slot
        return None

    def demand_unused(self, thing: Thing) -> None:
        if (holder := self.holder(thing)) is not None:
            raise Refused(f"{thing.name} is in use by VM {holder[0]['vmid']}")

    # Making. `begin` makes a VM with the disk; it is whole once it has its tags.

    def create(self, pool: Said, disk: Said) -> Said:
        thing, image = self.disk(pool, disk["volume_id"]), disk["image"]
        if image is None:
            return self.made(thing, disk["size_bytes"], self.blank(disk["size_bytes"]))
        demand_image(image)

        def begin(vmid: int, thing: Thing) -> None:
            self.imported(vmid, thing, self.pools.keep(pool, image))

        return self.made(thing, max(disk["size_bytes"], image["virtual_bytes"]), begin)

    def bring(self, pool: Said, disk: Said) -> Said:
        """From an image that is kept no longer than that takes."""
        thing, image = self.disk(pool, disk["volume_id"]), disk["image"]
        if (found := self.find(thing)) is not None:
            return found
        storage = self.pools.files(thing.storage, "import")
        with importable(image) as ready:
            demand_image(ready)
            name = f"sagastack-part-{thing.id}.{ready['image_format']}"
            parcel = self.pools.upload(storage, "import", name, ready["path"])
            try:
                size = max(disk["size_bytes"], image["virtual_bytes"])
                return self.made(thing, size, lambda vmid, it: self.imported(vmid, it, parcel))
            finally:
                self.pools.drop(parcel)

    def made(self, thing: Thing, size_bytes: int, begin: Callable[[int, Thing], None]) -> Said:
        """The disk that is there, or else the one that is made now, or finished."""
        with self.cluster.alone(thing.id):
            found = self.find(thing)
            if found is None:
                self.demand_room(thing.storage, size_bytes)
                self.make(thing, size_bytes, begin)
                found = self.status(thing, self.there(thing))
            return found

    def make(
        self, thing: Thing, size_bytes: int, begin: Callable[[int, Thing], None], slot: str = ""
    ) -> None:
        vmid, half = self.cluster.begun(thing)
        if half is None:
            try:
                begin(vmid, thing)
            except Taken as error:
                raise Unavailable(f"somebody else makes {thing.name} now: {error}") from error
        vm = half or self.cluster.node_of(vmid)  # Clones are where their source is.
        self.strip(vm, slot)
        self.enlarge(vm, size_bytes)
        self.line.put(f"{self.cluster.place(vm)}/config", tags=tags(thing), description=NOTE)

    def blank(self, size_bytes: int) -> Callable[[int, Thing], None]:
        def begin(vmid: int, thing: Thing) -> None:
            self.carry(vmid, thing, f"{thing.storage}:{whole(size_bytes) / GIB}")

        return begin

    def imported(self, vmid: int, thing: Thing, volume: str) -> None:
        self.carry(vmid, thing, f"{thing.storage}:0,import-from={volume}")

    def carry(self, vmid: int, thing: Thing, disk: str) -> None:
        if self.pools.type_of(thing.storage) in FILE_BASED:
            disk += ",format=qcow2"
        self.cluster.wait(
            self.line.post(
                f"/nodes/{self.node}/qemu", vmid=vmid, name=thing.name, memory=16, scsi0=disk,
                scsihw="virtio-scsi-single", protection=False, onboot=False,
            )
        )  # fmt: skip

    def cloned(self, source: Vm, **more: Any) -> Callable[[int, Thing], None]:
        """All disks of a VM, in a new one."""

        def begin(vmid: int, thing: Thing) -> None:
            form = {}
            if self.pools.type_of(thing.storage) in FILE_BASED:
                form["format"] = "qcow2"
            path = f"{self.cluster.place(source)}/clone"
            self.cluster.wait(
                self.line.post(
                    path, newid=vmid, name=thing.name, full=True, storage=thing.storage,
                    **form, **more,
                )
            )  # fmt: skip

        return begin

    def strip(self, vm: Vm, slot: str) -> None:
        """What a clone of a guest has beside the one disk; none if it is not a guest's clone."""
        if not slot:
            return
        config = self.cluster.config(vm)
        more = [
            name for name, value in config.items()
            if name != slot and name.rstrip("0123456789") in ("scsi", "ide", "net", "unused")
            and isinstance(value, str)
        ]  # fmt: skip
        if more:
            path = f"{self.cluster.place(vm)}/config"
            self.cluster.wait(self.line.post(path, delete=",".join(more), force=True))

    def enlarge(self, vm: Vm, size_bytes: int) -> None:
        slot, volume = carried(self.cluster.config(vm))
        there = self.pools.content(volume.split(":")[0], "images")
        now = next(one["size"] for one in there if one["volid"] == volume)
        if whole(size_bytes) > now:
            self.resized(vm, slot, whole(size_bytes))

    def resized(self, vm: Vm, slot: str, size_bytes: int) -> None:
        path = f"{self.cluster.place(vm)}/resize"
        self.cluster.wait(self.line.put(path, disk=slot, size=f"{size_bytes // MIB}M"))

    def demand_room(self, storage: str, size_bytes: int) -> None:
        found = self.line.get(f"/nodes/{self.node}/storage/{storage}/status")
        if whole(size_bytes) > found["total"]:
            raise Refused(f"{size_bytes} bytes are more than storage {storage} has in all")

    # Changing.

    def resize(self, thing: Thing, size_bytes: int) -> Said:
        """Through the guest that has the disk, if one has it: its QEMU is told then."""
        with self.cluster.alone(thing.id):
            found = self.cluster.find(thing)
            if found is None:
                raise Refused(f"{thing.name} is not there")
            now = self.status(thing, found[0])["size_bytes"]
            if size_bytes < now:
                raise Refused(f"{thing.name} has {now} bytes, and never shrinks")
            if whole(size_bytes) > now:
                holder = self.holder(thing)
                vm, slot = (found[0], "") if holder is None else (holder[0], holder[2])
                if slot:
                    self.resized(vm, slot, whole(size_bytes))
                else:
                    self.enlarge(vm, size_bytes)
            return self.status(thing, found[0])

    def remove(self, thing: Thing) -> None:
        """Whole or half made, of whatever generation."""
        self.demand_unused(thing)
        with self.cluster.alone(thing.id):
            for vm in self.cluster.vms():
                there = read(vm).thing
                if there is None and vm["vmid"] >= FIRST_VMID:
                    there = thing if self.is_begun(vm, thing) else None
                if there is not None and there.path == thing.path and there.kind == thing.kind:
                    self.cluster.destroy(vm)

    def is_begun(self, vm: Vm, thing: Thing) -> bool:
        """Whether a VM without valid tags was to become this, once nothing works on it."""
        self.cluster.settle(vm["vmid"])
        try:
            is_it = self.cluster.config(vm).get("name") == thing.name
        except Missing:
            return False
        if is_it and (now := self.cluster.node_of(vm["vmid"])):
            self.cluster.demand_free(now)
        return is_it

    def keep(self, disk: Thing, snapshot: Thing) -> Said:
        """A copy of the disk as it is at one moment.

        A guest that runs is kept by Proxmox VE's own snapshot of it, that is cloned and dropped:
        the clone has all of its disks, and those that are not meant go again.
        """
        carrier, holder = self.cluster.find(disk), self.holder(disk)
        if carrier is None:
            raise Refused(f"{disk.name} is not there")
        size = self.status(disk, carrier[0])["size_bytes"]
        if holder is None:
            return self.made(snapshot, size, self.cloned(carrier[0]))
        vm, _, slot = holder
        name = f"s{snapshot.id.replace('-', '')}"
        path = f"{self.cluster.place(vm)}/snapshot"
        with self.cluster.alone(snapshot.id):
            self.cluster.settle(vm["vmid"])
            was = any(one["name"] == name for one in self.line.get(path))
            found = self.find(snapshot)
            if found is None:
                if not was:
                    self.cluster.wait(self.line.post(path, snapname=name))
                self.make(snapshot, size, self.cloned(vm, snapname=name), slot)
            if found is None or was:
                self.cluster.wait(self.line.delete(f"{path}/{name}"))
            return found or self.status(snapshot, self.there(snapshot))

    def there(self, thing: Thing) -> Vm:
        found = self.cluster.find(thing)
        if found is None:
            raise Unavailable(f"{thing.name} went while it was made: try again")
        return found[0]

    def revert(self, disk: Thing, snapshot: Thing) -> Said:
        """The disk is exchanged for a copy of the snapshot, as large as it was itself."""
        self.demand_unused(disk)
        with self.cluster.alone(disk.id):
            was, kept = self.cluster.find(disk), self.cluster.find(snapshot)
            if was is None or was[1].thing is None or kept is None:
                raise Refused(f"{disk.name} or {snapshot.name} is not there")
            size = self.status(disk, was[0])["size_bytes"]
            after = Thing(DISK, disk.id, disk.storage, was[1].thing.generation + 1)
            self.make(after, size, self.cloned(kept[0]))
            self.cluster.destroy(was[0])
            return self.status(disk, self.there(disk))

    def copy(self, source: Thing, target: Thing, size_bytes: int) -> Said:
        if (there := self.find(target)) is not None:
            return there
        self.demand_unused(source)
        found = self.cluster.find(source)
        if found is None:
            raise Refused(f"{source.name} is not there")
        size = max(size_bytes, self.status(source, found[0])["size_bytes"])
        return self.made(target, size, self.cloned(found[0]))


def told(thing: Thing | None, volume: Said) -> Said:
    """A disk or a snapshot in the controller's words."""
    found = {
        "path": thing.path if thing else volume["volid"],
        "size_bytes": volume["size"],
        "used_bytes": volume.get("used", volume["size"]),
        "image_format": volume["format"],
    }
    kind = thing.kind if thing else DISK
    name = "snapshot_id" if kind == SNAPSHOT else "volume_id"
    return found | {name: thing.id if thing else None}
