"""An administrator's hand at a vCenter, beside the driver: through pyVmomi and nothing of ours."""

from __future__ import annotations

import json
import ssl
import time
from typing import Any
from uuid import UUID

import pyVmomi
from pyVim.connect import SmartConnect

from tests.peers import vcenter as peer

vim: Any = pyVmomi.vim
TASK_S = 60.0


class Hand:
    """One vCenter, by a session of its own."""

    def __init__(self, vcenter: peer.VcenterPeer) -> None:
        self._vcenter = vcenter
        self._service: Any = None

    @property
    def content(self) -> Any:
        if self._service is None:
            context = ssl.create_default_context(cafile=str(self._vcenter.root / "cert.pem"))
            self._service = SmartConnect(
                host="127.0.0.1", port=self._vcenter.port,
                user=peer.USER, pwd=peer.PASSWORD, sslContext=context,
            )  # fmt: skip
        return self._service.content

    @property
    def datacenter(self) -> Any:
        return self.content.rootFolder.childEntity[0]

    def all(self) -> list[Any]:
        view = self.content.viewManager.CreateContainerView(
            self.datacenter.vmFolder, [vim.VirtualMachine], True
        )
        try:
            return list(view.view)
        finally:
            view.DestroyView()

    def machines(self) -> list[str]:
        return [one.name for one in self.all()]

    def of_guest(self, guest_id: UUID) -> Any:
        found = self.content.searchIndex.FindByUuid(self.datacenter, str(guest_id), True, True)
        assert found is not None, f"no machine has the instance UUID {guest_id}"
        return found

    def file_of(self, path: str) -> str:
        """The file that holds a disk's bytes now: its machine's latest, or its own."""
        for machine in self.all():
            for one in machine.config.extraConfig:
                if one.key != "sagastack.guest" or not one.value:
                    continue
                held = json.loads(one.value).get("disks", {}).values()
                for slot in (disk["slot"] for disk in held if disk["path"] == path):
                    return self._at(machine, slot)
        return path

    def _at(self, machine: Any, slot: str) -> str:
        for device in machine.config.hardware.device:
            at = f"{device.controllerKey}:{device.unitNumber}"
            if isinstance(device, vim.vm.device.VirtualDisk) and at == slot:
                return str(device.backing.fileName)
        raise AssertionError(f"{machine.name} has no disk at {slot}")

    def backings(self) -> list[str]:
        """The files behind all devices of all machines."""
        devices = [one for machine in self.all() for one in machine.config.hardware.device]
        return [str(getattr(one.backing, "fileName", "") or "") for one in devices]

    def add_machine(self, name: str) -> None:
        """A machine that nobody of ours made, and that runs on the first host."""
        cluster = self.datacenter.hostFolder.childEntity[0]
        host = next(one for one in cluster.host if one.name == peer.HOSTS[0])
        spec = vim.vm.ConfigSpec(
            name=name, numCPUs=1, memoryMB=16, guestId="otherGuest",
            files=vim.vm.FileInfo(vmPathName=f"[{peer.STORES[0]}]"),
        )  # fmt: skip
        made = self.done(self.datacenter.vmFolder.CreateVM_Task(spec, cluster.resourcePool, host))
        self.done(made.PowerOnVM_Task())

    def destroy(self, name: str) -> None:
        for machine in self.all():
            if machine.name == name:
                if machine.runtime.powerState == "poweredOn":
                    self.done(machine.PowerOffVM_Task())
                self.done(machine.Destroy_Task())

    def end_sessions(self) -> None:
        """As an administrator ends everybody's sessions but his own."""
        manager = self.content.sessionManager
        mine = manager.currentSession.key
        others = [one.key for one in manager.sessionList if one.key != mine]
        manager.TerminateSession(others)

    def done(self, task: Any) -> Any:
        end = time.monotonic() + TASK_S
        while str(task.info.state) not in ("success", "error"):
            assert time.monotonic() < end, f"{task.info.descriptionId} is not over"
            time.sleep(0.02)
        assert str(task.info.state) == "success", task.info.error
        return task.info.result
