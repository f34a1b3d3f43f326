"""Hyper-V's cmdlets about a virtual machine's drives and network cards, and about switches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.peers.hyperv.cmdlets_vm import require_free, vms_of, wrong_state
from tests.peers.hyperv.commands import Call, cmdlet
from tests.peers.hyperv.values import Enum, Failure, Record, in_use, invalid
from tests.peers.hyperv.world import Card, Drive, Vm

ROOM = {"IDE": (2, 2), "SCSI": (4, 64)}


@cmdlet("Add-VMScsiController", VMName="str")
def add_scsi_controller(call: Call) -> Iterator[Any]:
    for vm in vms_of(call, names=("VMName",)):
        if vm.state != "Off":
            raise wrong_state(vm, "add a SCSI controller")
        if vm.scsi >= ROOM["SCSI"][0]:
            raise invalid("A virtual machine has four SCSI controllers at most.")
        vm.scsi += 1
    yield from ()


@cmdlet("Get-VMScsiController", VMName="str")
def get_scsi_controller(call: Call) -> Iterator[Any]:
    for vm in vms_of(call, names=("VMName",)):
        for number in range(vm.scsi):
            yield Record({"VMId": vm.id, "VMName": vm.name, "ControllerNumber": number})


@cmdlet(
    "Add-VMHardDiskDrive",
    VMName="str",
    Path="str",
    ControllerType="IDE|SCSI",
    ControllerNumber="int",
    ControllerLocation="int",
    MaximumIOPS="int",
)
def add_hard_disk_drive(call: Call) -> Iterator[Any]:
    for vm in vms_of(call, names=("VMName",)):
        with call.host.world.lock:
            drive = _placed(vm, call)
            drive.max_iops = call.get("MaximumIOPS", 0)
            if drive.path:
                _require_disk(vm, drive)
            vm.drives.append(drive)
    yield from ()


@cmdlet(
    "Add-VMDvdDrive",
    VMName="str",
    Path="str",
    ControllerNumber="int",
    ControllerLocation="int",
)
def add_dvd_drive(call: Call) -> Iterator[Any]:
    for vm in vms_of(call, names=("VMName",)):
        with call.host.world.lock:
            drive = _placed(vm, call, "IDE" if vm.generation == 1 else "SCSI")
            drive.is_dvd = True
            if vm.state != "Off" and vm.generation == 1:
                raise wrong_state(vm, "add a DVD drive")
            _require_file(vm, drive.path)
            vm.drives.append(drive)
    yield from ()


@cmdlet(
    "Get-VMHardDiskDrive",
    VMName="str",
    ControllerType="IDE|SCSI",
    ControllerNumber="int",
    ControllerLocation="int",
)
def get_hard_disk_drive(call: Call) -> Iterator[Any]:
    for vm in vms_of(call, names=("VMName",)):
        yield from (_drive(vm, one) for one in _asked(vm, call) if not one.is_dvd)


@cmdlet("Get-VMDvdDrive", VMName="str", ControllerNumber="int", ControllerLocation="int")
def get_dvd_drive(call: Call) -> Iterator[Any]:
    for vm in vms_of(call, names=("VMName",)):
        yield from (_drive(vm, one) for one in _asked(vm, call) if one.is_dvd)


def _asked(vm: Vm, call: Call) -> Iterator[Drive]:
    """Drives at the places that were named; all of them if none was."""
    for one in vm.drives:
        if (
            call.get("ControllerType", one.controller) == one.controller
            and call.get("ControllerNumber", one.number) == one.number
            and call.get("ControllerLocation", one.location) == one.location
        ):
            yield one


@cmdlet("Set-VMDvdDrive", Path="str")
def set_dvd_drive(call: Call) -> Iterator[Any]:
    for vm, drive in _drives(call):
        _require_file(vm, call.get("Path") or "")
        drive.path = call.get("Path") or ""
    yield from ()


@cmdlet("Set-VMHardDiskDrive", MaximumIOPS="int", MinimumIOPS="int")
def set_hard_disk_drive(call: Call) -> Iterator[Any]:
    for _, drive in _drives(call):
        drive.max_iops = call.get("MaximumIOPS", 0)
    yield from ()


@cmdlet("Remove-VMHardDiskDrive")
def remove_hard_disk_drive(call: Call) -> Iterator[Any]:
    for vm, drive in _drives(call):
        if vm.state != "Off" and drive.controller == "IDE":
            raise wrong_state(vm, "remove a device on an IDE controller")
        vm.drives.remove(drive)
    yield from ()


@cmdlet("Remove-VMDvdDrive")
def remove_dvd_drive(call: Call) -> Iterator[Any]:
    for vm, drive in _drives(call):
        if vm.state != "Off" and vm.generation == 1:
            raise wrong_state(vm, "remove a DVD drive")
        vm.drives.remove(drive)
    yield from ()


def _drives(call: Call) -> list[tuple[Vm, Drive]]:
    """Those that come through the pipeline."""
    return [one.of for one in call.piped if isinstance(one.of, tuple)]


def _placed(vm: Vm, call: Call, kind: str = "") -> Drive:
    kind = kind or call.get("ControllerType", "IDE" if vm.generation == 1 else "SCSI")
    if kind == "IDE" and vm.generation == 2:
        raise invalid("A virtual machine of generation 2 has no IDE controllers.")
    if kind == "IDE" and vm.state != "Off":
        raise wrong_state(vm, "add a device to an IDE controller")
    controllers, room = ROOM[kind]
    controllers = vm.scsi if kind == "SCSI" else controllers
    taken = {(d.controller, d.number, d.location) for d in vm.drives}
    free = [(n, at) for n in range(controllers) for at in range(room)]
    free = [place for place in free if (kind, *place) not in taken]
    if call.has("ControllerNumber"):
        free = [place for place in free if place[0] == call.get("ControllerNumber")]
    if call.has("ControllerLocation"):
        free = [place for place in free if place[1] == call.get("ControllerLocation")]
    if not free:
        raise Failure(
            f"'{vm.name}': there is no such place on a {kind} controller that is free.",
            "InvalidParameter",
            category="InvalidArgument",
            hresult=0x80070057,
        )
    return Drive(call.get("Path", ""), kind, *free[0])


def _require_file(vm: Vm, path: str) -> None:
    if path and not vm.host.local(path).is_file():
        raise Failure(
            f"'{vm.name}': the file '{path}' cannot be found. (0x80070002)",
            "ObjectNotFound",
            category="ObjectNotFound",
            hresult=0x80070002,
        )


def _require_disk(vm: Vm, drive: Drive) -> None:
    _require_file(vm, drive.path)
    local = vm.host.local(drive.path)
    if any(one.path and vm.host.local(one.path) == local for one in vm.drives):
        raise in_use(drive.path, "ObjectInUse")
    if vm.state == "Running":
        require_free(vm, drive)


def _drive(vm: Vm, drive: Drive) -> Record:
    return Record(
        {
            "VMId": vm.id,
            "VMName": vm.name,
            "Path": drive.path,
            "ControllerType": Enum(drive.controller, 0 if drive.controller == "IDE" else 1),
            "ControllerNumber": drive.number,
            "ControllerLocation": drive.location,
            "MaximumIOPS": drive.max_iops,
        },
        of=(vm, drive),
    )


@cmdlet("Get-VMSwitch", Name="str")
def get_vm_switch(call: Call) -> Iterator[Any]:
    numbers = {"Private": 0, "Internal": 1, "External": 2}
    for name, kind in call.host.switches.items():
        if not call.has("Name") or call.get("Name").lower() == name.lower():
            yield Record({"Name": name, "SwitchType": Enum(kind, numbers[kind])})


@cmdlet("Add-VMNetworkAdapter", VMName="str", Name="str", SwitchName="str", StaticMacAddress="str")
def add_network_adapter(call: Call) -> Iterator[Any]:
    for vm in vms_of(call, names=("VMName",)):
        if vm.state != "Off" and vm.generation == 1:
            raise wrong_state(vm, "add a network adapter")
        if len(vm.cards) >= 8:
            raise invalid("A virtual machine has eight network adapters at most.")
        switch = call.get("SwitchName", "")
        if switch and switch.lower() not in {one.lower() for one in call.host.switches}:
            raise invalid(f'Hyper-V was unable to find a virtual switch with name "{switch}".')
        mac = call.get("StaticMacAddress", "").replace("-", "").replace(":", "").upper()
        if len(mac) not in (0, 12) or mac.strip("0123456789ABCDEF"):
            raise invalid(f"The MAC address '{mac}' is not valid.")
        vm.cards.append(Card(call.get("Name", "Network Adapter"), switch, mac))
    yield from ()


@cmdlet("Get-VMNetworkAdapter", VMName="str", Name="str")
def get_network_adapter(call: Call) -> Iterator[Any]:
    for vm in vms_of(call, names=("VMName",)):
        for card in vm.cards:
            if call.has("Name") and card.name.lower() != call.get("Name").lower():
                continue
            fields = {
                "VMId": vm.id,
                "VMName": vm.name,
                "Name": card.name,
                "MacAddress": card.mac,
                "SwitchName": card.switch,
                "AdapterId": card.id,
            }
            yield Record(fields, of=(vm, card))


@cmdlet("Remove-VMNetworkAdapter", VMName="str", Name="str")
def remove_network_adapter(call: Call) -> Iterator[Any]:
    for vm, card in [one.of for one in call.piped] or list(_cards(call)):
        if vm.state != "Off" and vm.generation == 1:
            raise wrong_state(vm, "remove a network adapter")
        vm.cards.remove(card)
    yield from ()


@cmdlet(
    "Set-VMNetworkAdapterVlan",
    VMName="str",
    VMNetworkAdapterName="str",
    Access="switch",
    VlanId="int",
    Untagged="switch",
)
def set_vlan(call: Call) -> Iterator[Any]:
    for _, card in _cards(call):
        if call.get("Access") and not 1 <= call.get("VlanId", 0) <= 4094:
            raise invalid("A VLAN id is between 1 and 4094.")
        card.vlan = 0 if call.get("Untagged") else call.get("VlanId", 0)
    yield from ()


def _cards(call: Call) -> Iterator[tuple[Vm, Card]]:
    wanted = call.get("VMNetworkAdapterName", call.get("Name", "")).lower()
    vms = vms_of(call, names=("VMName",))
    found = [(vm, card) for vm in vms for card in vm.cards if card.name.lower() == wanted]
    if not found:
        raise invalid(f'Hyper-V was unable to find a network adapter with name "{wanted}".')
    yield from found
