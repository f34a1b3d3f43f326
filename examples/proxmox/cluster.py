"""VMs of a cluster and the tasks that change them: awaited, and found again after a crash.

Whatever takes time is a task of Proxmox VE's, which goes on if this program dies. The VM is locked
meanwhile, so who asks again waits for the task that is there and then looks at what it made.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from failures import Cancelled, Missing, Taken, Unavailable, Unknown
from line import Line, part, sorted_out
from marks import Mark, Thing, read

Vm = dict[str, Any]
LOOK_S, LOOK_MAX_S, LOST_S, TELL_S = 0.02, 1.0, 60.0, 5.0
_locks: dict[str, threading.Lock] = {}


class Cluster:
    """A cluster as one question sees it; `gone` is set when nobody waits for its answer."""

    def __init__(self, line: Line, gone: threading.Event, tell: Callable[[str], None]) -> None:
        self.line, self._gone, self._tell = line, gone, tell

    def pause(self, for_s: float) -> None:
        if self._gone.wait(for_s):
            raise Cancelled

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """One question at a time for a guest or a disk, as far as this program goes."""
        lock = _locks.setdefault(name, threading.Lock())
        while not lock.acquire(timeout=0.1):
            self.pause(0)
        try:
            yield
        finally:
            lock.release()

    # Tasks.

    def wait(self, upid: str | None) -> None:
        """Until a task is over. Unknown: its node was not heard of for a while."""
        if not upid:
            return
        path = f"/nodes/{upid.split(':')[1]}/tasks/{part(upid)}/status"
        pause_s, heard_s, told_s = LOOK_S, time.monotonic(), time.monotonic()
        while True:
            try:
                said = self.line.get(path)
                heard_s = time.monotonic()
            except Unavailable as error:
                if time.monotonic() - heard_s > LOST_S:
                    raise Unknown(f"what became of {upid}? {error}") from error
                said = {"status": "running"}
            if said["status"] == "stopped":
                break
            if time.monotonic() - told_s > TELL_S:
                told_s = time.monotonic()
                self._tell(f"waiting for {upid}")
            self.pause(pause_s)
            pause_s = min(LOOK_MAX_S, 1.5 * pause_s)
        ended = said["exitstatus"]
        if ended != "OK" and not ended.startswith("WARNINGS"):
            raise sorted_out(f"task {upid.split(':')[5]} {upid.split(':')[6]}: {ended}")

    def settle(self, vmid: int) -> None:
        """Wait for whoever works on a VM, whatever comes of it."""
        for task in self.line.get("/cluster/tasks"):
            if task.get("id") == str(vmid) and not task.get("endtime"):
                try:
                    self.wait(task["upid"])
                except (Missing, Taken, Unavailable):
                    continue

    # VMs.

    def vms(self) -> list[Vm]:
        """All of them, with node, tags and lock. Their power is told here seconds late."""
        found = self.line.get("/cluster/resources", type="vm")
        return [one for one in found if one["type"] == "qemu"]

    def marked(self) -> list[tuple[Vm, Mark]]:
        return [(one, mark) for one in self.vms() if (mark := read(one)).thing is not None]

    def find(self, thing: Thing) -> tuple[Vm, Mark] | None:
        """The newest VM that is this, whole."""
        found = [
            (vm, mark)
            for vm, mark in self.marked()
            if (one := mark.thing) is not None
            and (one.kind, one.id, one.storage) == (thing.kind, thing.id, thing.storage.lower())
        ]
        return max(found, key=lambda one: one[1].thing.generation if one[1].thing else 0,
                   default=None)  # fmt: skip

    def place(self, vm: Vm) -> str:
        return f"/nodes/{vm['node']}/qemu/{vm['vmid']}"

    def config(self, vm: Vm) -> dict[str, Any]:
        """As it is now, whatever is pending."""
        found: dict[str, Any] = self.line.get(f"{self.place(vm)}/config", current=True)
        return found

    def is_running(self, vm: Vm) -> bool:
        try:
            return bool(self.line.get(f"{self.place(vm)}/status/current")["status"] == "running")
        except Missing:
            return False

    def begun(self, thing: Thing) -> tuple[int, Vm | None]:
        """A number for a thing, and the VM that is half made there, if one is."""
        there = {int(one["vmid"]): one for one in self.vms()}
        for vmid in thing.vmids():
            vm = there.get(vmid)
            if vm is None:
                return vmid, None
            if vm.get("lock"):
                self.settle(vmid)
                again = next((one for one in self.vms() if one["vmid"] == vmid), None)
                if again is None:
                    return vmid, None
                self.demand_free(again)
            if self.config(vm).get("name") == thing.name:
                return vmid, vm
        raise Unavailable(f"all numbers of {thing.name} are taken by VMs of others")

    def demand_free(self, vm: Vm) -> None:
        if vm.get("lock"):
            raise Unavailable(
                f"VM {vm['vmid']} is locked ({vm['lock']}) and nothing works on it: look at it, "
                f"and on {vm['node']} say: qm unlock {vm['vmid']}"
            )

    def destroy(self, vm: Vm) -> None:
        """With the disks that are its own. Gone already is success."""
        try:
            self.wait(
                self.line.delete(self.place(vm), purge=True, destroy_unreferenced_disks=False)
            )
        except Missing:
            return

    def node_of(self, vmid: int) -> Vm:
        """A VM by its number; nothing, if it is not there."""
        return next((one for one in self.vms() if one["vmid"] == vmid), {})
