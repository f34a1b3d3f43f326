"""Guests: VMs that run from the disks of carriers, and are removed without them."""

from __future__ import annotations

import base64
import re
import time
from contextlib import suppress
from typing import Any

from cluster import Cluster, Vm
from disks import Disks, carried
from failures import Failure, Missing, Refused, Taken, Unavailable
from marks import GUEST, Mark, Thing, card, drive, limited, read, tags

Said = dict[str, Any]
MIB = 2**20
REBOOT_S = 30
CPUS = {"": "x86-64-v2-AES", "host-model": "x86-64-v2-AES", "host-passthrough": "host"}
POWER = {
    "running": "running",
    "stopped": "off",
    "paused": "paused",
    "suspended": "paused",
    "internal-error": "crashed",
    "guest-panicked": "crashed",
    "io-error": "crashed",
}


class Guests:
    """The guests of one node."""

    def __init__(self, cluster: Cluster, node: str) -> None:
        self.cluster, self.line, self.node = cluster, cluster.line, node
        self.disks = Disks(cluster, node)

    # Looking.

    def listed(self) -> list[tuple[Vm, Mark]]:
        """All VMs of the node that carry no disk, as they are now."""
        found = self.line.get(f"/nodes/{self.node}/qemu", full=True)
        marked = [(one | {"node": self.node}, read(one)) for one in found]
        return [
            (vm, mark) for vm, mark in marked
            if mark.thing is None or mark.thing.kind == GUEST
        ]  # fmt: skip

    def all(self) -> list[Said]:
        return [status(vm, mark) for vm, mark in self.listed() if not _is_unfinished(vm, mark)]

    def here(self, guest_id: str) -> tuple[Vm, Mark] | None:
        for vm, mark in self.listed():
            if mark.thing is not None and mark.thing.id == guest_id:
                return vm, mark
        return None

    def find(self, guest_id: str) -> Said | None:
        found = self.here(guest_id)
        return None if found is None else status(*found)

    def running(self, guest_id: str) -> tuple[Vm, Mark]:
        found = self.here(guest_id)
        if found is None or found[0]["status"] != "running":
            raise Refused(f"guest {guest_id} does not run on {self.node}")
        return found

    # Life.

    def start(self, spec: Said, key: str) -> Said:
        thing = Thing(GUEST, spec["guest_id"])
        with self.cluster.alone(thing.id):
            found = self.cluster.find(thing)
            if found is not None:
                self.cluster.settle(found[0]["vmid"])
                if self.cluster.is_running(found[0]):
                    return self.told(thing, found[0])
                self.cluster.destroy(found[0])
            self.demand_room(spec["memory_mib"])
            drives, holds = self.drives(spec)
            vmid, half = self.cluster.begun(thing)
            if half is not None:
                self.cluster.destroy(half)
            vm = {"vmid": vmid, "node": self.node}
            try:
                self.define(vmid, spec, tags(thing, key, holds), drives)
                self.give_disc(vm, spec)
                self.cluster.wait(self.line.post(f"{self.cluster.place(vm)}/status/start"))
            except Taken as error:
                raise Unavailable(f"somebody else starts {thing.name} now: {error}") from error
            except (Refused, Unavailable):
                self.undo(vm)
                raise
            return self.told(thing, vm)

    def told(self, thing: Thing, vm: Vm) -> Said:
        found = self.find(thing.id)
        if found is None:
            where = self.cluster.node_of(vm["vmid"]).get("node", "no node")
            raise Refused(f"guest {thing.id} runs on {where}, not on {self.node}")
        return found

    def demand_room(self, memory_mib: int) -> None:
        memory = self.line.get(f"/nodes/{self.node}/status")["memory"]
        if memory_mib * MIB > memory["total"]:
            raise Refused(f"{memory_mib} MiB are more memory than {self.node} has in all")
        if memory_mib * MIB > memory["free"]:
            raise Unavailable(f"{self.node} has not {memory_mib} MiB of memory free now")

    def drives(self, spec: Said) -> tuple[dict[str, str], dict[str, Thing]]:
        """Disks and cards by their slots, and what to remember of each."""
        shown, holds = {}, {}
        for disk in spec["disks"]:
            slot, said, thing = self.drive(disk)
            shown[slot], holds[slot] = said, thing
        for number, nic in enumerate(spec["nics"]):
            shown[f"net{number}"] = card(nic)
            holds[f"net{number}"] = Thing("nic", nic["nic_id"])
        return shown, holds

    def drive(self, disk: Said) -> tuple[str, str, Thing]:
        """Refused: there is no such disk."""
        if disk["is_cdrom"]:
            storage = disk["path"].split(":")[0]
            return "ide2", drive(disk["path"], disk, cdrom=True), self._thing(disk, storage)
        thing = self._thing(disk, disk["path"].split("/")[0])
        found = self.cluster.find(thing)
        if found is None:
            raise Refused(f"disk {disk['path']} is not there")
        volume = carried(self.cluster.config(found[0]))[1]
        return f"scsi{disk['device']}", drive(volume, disk), thing

    def _thing(self, disk: Said, storage: str) -> Thing:
        return Thing("disk", disk["volume_id"], storage)

    def define(self, vmid: int, spec: Said, marks: str, drives: dict[str, str]) -> None:
        """The VM as it is to be; it has nothing of its own on a storage."""
        first = next((one for one in ("scsi0", "ide2") if one in drives), "")
        hardware = spec.get("hardware") or {}
        form: Said = {
            "vmid": vmid, "name": _dns(spec["name"]), "tags": marks, "ostype": "l26",
            "cores": spec["cpu_count"], "sockets": 1, "memory": spec["memory_mib"],
            "cpu": hardware.get("cpu_model") or CPUS[hardware.get("cpu_mode") or ""],
            "scsihw": "virtio-scsi-single", "hotplug": "disk,network", "onboot": False,
            "cpuunits": min(10_000, max(1, spec["cpu_mhz"] // 10)),
            "description": f"{spec['name']}: a guest of a Sagastack cloud, which takes it down "
            "again if somebody else starts or changes it.",
        }  # fmt: skip
        drives = {"ide2": "none,media=cdrom"} | drives  # A drive for discs cannot be plugged.
        if first:
            form["boot"] = f"order={first}"
        self.cluster.wait(self.line.post(f"/nodes/{self.node}/qemu", **form, **drives))

    def give_disc(self, vm: Vm, spec: Said) -> None:
        """Made by the controller: the manifest asks for that. The VM is there before its disc."""
        for _, content in spec["config"]:
            storage = self.disks.pools.files("", "iso")
            name = f"sagastack-config-{spec['guest_id']}.iso"
            volume = self.disks.pools.upload(storage, "iso", name, base64.b64decode(content))
            self.line.put(f"{self.cluster.place(vm)}/config", ide0=f"{volume},media=cdrom")

    def undo(self, vm: Vm) -> None:
        """After a start that failed; what cannot be undone now, `remove_guest` will."""
        try:
            self.take(vm)
        except Failure:
            return

    def take(self, vm: Vm) -> None:
        """Its disc first: the VM says where that is."""
        try:
            config = self.cluster.config(vm)
        except Missing:
            return
        if self.cluster.is_running(vm):
            self.cluster.wait(self.line.post(f"{self.cluster.place(vm)}/status/stop"))
        if "sagastack-config-" in config.get("ide0", ""):
            self.disks.pools.drop(config["ide0"].split(",")[0])
        self.cluster.destroy(vm)

    def remove(self, guest_id: str) -> None:
        thing = Thing(GUEST, guest_id)
        with self.cluster.alone(guest_id):
            there = {int(one["vmid"]): one for one in self.cluster.vms()}
            for vmid in thing.vmids():
                if vmid not in there or there[vmid]["node"] != self.node:
                    continue
                self.cluster.settle(vmid)
                vm = self.cluster.node_of(vmid)
                if vm and (was := read(vm).thing) is not None and was.id == guest_id:
                    self.cluster.demand_free(vm)
                    self.take(vm)

    def stop(self, guest_id: str, grace_s: float) -> None:
        with self.cluster.alone(guest_id):
            found = self.here(guest_id)
            if found is None:
                return
            place = self.cluster.place(found[0])
            self.cluster.settle(found[0]["vmid"])
            if not self.cluster.is_running(found[0]):
                return
            if grace_s > 0:
                ask = self.line.post(
                    f"{place}/status/shutdown", timeout=max(1, round(grace_s)), forceStop=True
                )
                with suppress(Refused, Unavailable):
                    self.cluster.wait(ask)
                if not self.cluster.is_running(found[0]):
                    return
            self.cluster.wait(self.line.post(f"{place}/status/stop"))

    def reboot(self, guest_id: str, *, force: bool) -> None:
        """A guest that heeds nothing is reset."""
        vm, _ = self.running(guest_id)
        place = self.cluster.place(vm)
        if not force:
            try:
                self.cluster.wait(self.line.post(f"{place}/status/reboot", timeout=REBOOT_S))
                return
            except (Refused, Unavailable):
                if not self.cluster.is_running(vm):
                    raise
        self.cluster.wait(self.line.post(f"{place}/status/reset"))

    def migrate(self, guest_id: str, target: str) -> None:
        nodes = {one["node"] for one in self.line.get("/nodes")}
        if target not in nodes:
            raise Refused(f"{target} is no node of this cluster: guests move within one only")
        with self.cluster.alone(guest_id):
            found = self.cluster.find(Thing(GUEST, guest_id))
            if found is not None:
                self.cluster.settle(found[0]["vmid"])
                found = self.cluster.find(Thing(GUEST, guest_id))
            if found is None or not self.cluster.is_running(found[0]):
                raise Refused(f"guest {guest_id} does not run on {self.node}")
            if found[0]["node"] == target:
                return
            path = f"{self.cluster.place(found[0])}/migrate"
            self.cluster.wait(self.line.post(path, target=target, online=True))

    # Plugs. What a guest does not let go of stays pending, and is told so.

    def attach_disk(self, guest_id: str, disk: Said) -> None:
        with self.cluster.alone(guest_id):
            vm, mark = self.running(guest_id)
            slot, said, thing = self.drive(disk)
            if any(one.id == thing.id for one in mark.holds.values()):
                return
            if slot in mark.holds and slot != "ide2":
                raise Refused(f"guest {guest_id} has another disk as {slot}")
            self.change(vm, mark, mark.holds | {slot: thing}, {slot: said})

    def detach_disk(self, guest_id: str, volume_id: str) -> None:
        self.detach(guest_id, volume_id)

    def attach_nic(self, guest_id: str, nic: Said) -> None:
        with self.cluster.alone(guest_id):
            vm, mark = self.running(guest_id)
            if any(one.id == nic["nic_id"] for one in mark.holds.values()):
                return
            slot = next(f"net{one}" for one in range(32) if f"net{one}" not in mark.holds)
            holds = mark.holds | {slot: Thing("nic", nic["nic_id"])}
            self.change(vm, mark, holds, {slot: card(nic)})

    def detach(self, guest_id: str, thing_id: str) -> None:
        """A drive for discs is emptied; whatever else is unplugged."""
        with self.cluster.alone(guest_id):
            found = self.here(guest_id)
            if found is None:
                return
            vm, mark = found
            slot = next((slot for slot, one in mark.holds.items() if one.id == thing_id), "")
            if not slot:
                return
            path = f"{self.cluster.place(vm)}/config"
            if slot == "ide2":
                self.line.put(path, ide2="none,media=cdrom")
            elif slot in self.cluster.config(vm):
                self.line.put(path, delete=slot)
            self.demand_done(vm, slot)
            rest = {one: thing for one, thing in mark.holds.items() if one != slot}
            self.change(vm, mark, rest, {})

    def change(self, vm: Vm, mark: Mark, holds: dict[str, Thing], more: dict[str, str]) -> None:
        """What a guest has and what its tags say of that go together."""
        assert mark.thing is not None
        marks = tags(mark.thing, mark.key or "", holds)
        self.line.put(f"{self.cluster.place(vm)}/config", tags=marks, **more)
        for slot in more:
            self.demand_done(vm, slot)

    def demand_done(self, vm: Vm, slot: str) -> None:
        for one in self.line.get(f"{self.cluster.place(vm)}/pending"):
            if one["key"] == slot and ("pending" in one or one.get("delete")):
                raise Unavailable(f"the guest has not let go of {slot} yet")

    def limit(self, guest_id: str, volume_id: str, limits: dict[str, int]) -> None:
        with self.cluster.alone(guest_id):
            found = self.here(guest_id)
            if found is None:
                return
            vm, mark = found
            slot = next((slot for slot, one in mark.holds.items() if one.id == volume_id), "")
            if not slot:
                raise Refused(f"guest {guest_id} has no disk {volume_id}")
            said = limited(self.cluster.config(vm)[slot], limits)
            self.line.put(f"{self.cluster.place(vm)}/config", **{slot: said})


def status(vm: Vm, mark: Mark) -> Said:
    power = POWER.get(vm.get("qmpstatus") or vm["status"], POWER.get(vm["status"], "running"))
    return {
        "guest_id": mark.thing.id if mark.thing else None,
        "name": vm.get("name", ""),
        "power": power,
        "key": mark.key,
        "cpu_count": vm.get("cpus", 0),
        "memory_mib": vm.get("maxmem", 0) // MIB,
        "disks": mark.disks,
    }


def _is_unfinished(vm: Vm, mark: Mark) -> bool:
    """A VM that is being made, or was left half made: no stranger."""
    return mark.thing is None and (vm.get("lock") in ("create", "clone") or vm["vmid"] >= 10**8)


def _dns(name: str) -> str:
    """A name as Proxmox VE takes it."""
    return re.sub(r"[^a-zA-Z0-9-]+", "-", name)[:63].strip("-") or "guest"


class Counters:
    """CPU time, added up from shares of it: Proxmox VE counts none."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[float, float]] = {}

    def cpu_ns(self, vm: Vm) -> int:
        now_s = time.monotonic()
        was_s, total_s = self._seen.get(vm["vmid"], (now_s - vm.get("uptime", 0), 0.0))
        total_s += max(0.0, vm.get("cpu", 0.0)) * vm.get("cpus", 1) * max(0.0, now_s - was_s)
        self._seen[vm["vmid"]] = (now_s, total_s)
        return int(total_s * 1e9)
