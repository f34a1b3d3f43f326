"""Specifications in vSphere's words: pure, and nothing is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from drivers.contract.compute import DiskAttachment, DiskLimits, GuestSpec, NicSpec
from drivers.contract.guest_appliance import GuestAppliance, GuestProperty
from drivers.vsphere import notes
from drivers.vsphere.notes import HeldDisk, Note
from drivers.vsphere.sdk import vim

SCSI_KEY, IDE_KEYS = 1000, (200, 201)
SCSI_RESERVED = 7
NAME_MAX = 80
# vSphere counts a request for every 32 KiB (Disk.SchedCostUnit), so bytes have a limit by these.
COST_BYTES = 32 * 1024
# How a guest reads its OVF environment if its appliance does not say: by VMware Tools.
GUEST_INFO = "com.vmware.guestInfo"
DISC_DRIVE, CONFIG_DRIVE = (201, 0), (201, 1)

device = vim.vm.device


def machine_name(spec: GuestSpec) -> str:
    """What the vCenter shows: the instance's name; without one, the guest's and some of its id."""
    known = spec.instance_name or f"{spec.name[: NAME_MAX - 13]}-{spec.guest_id.hex[:12]}"
    return known.replace("%", "%25").replace("/", "%2f").replace("\\", "%5c")[:NAME_MAX]


def unit_of(number: int) -> int:
    """The SCSI unit of a disk by its number for the guest; the controller itself is at 7."""
    return number if number < SCSI_RESERVED else number + 1


def slot(number: int) -> str:
    return f"{SCSI_KEY}:{unit_of(number)}"


def extra(note: Note | None) -> list[Any]:
    """The note as extra configuration; None takes it away."""
    text = note.text() if note is not None else ""
    return [vim.option.OptionValue(key=notes.KEY, value=text)]


def note_of(spec: GuestSpec, key: UUID, nics: Iterable[NicSpec]) -> Note:
    disks = {
        disk.volume_id: HeldDisk(disk.path, slot(disk.device))
        for disk in spec.disks
        if not disk.is_cdrom
    }
    return Note(
        guest=spec.guest_id,
        key=key,
        disks=disks,
        nics={nic.nic_id: nic.mac.lower() for nic in nics},
        cpu_max=max(spec.cpu_max, spec.cpu_count),
        memory_max_mib=max(spec.memory_max_mib, spec.memory_mib),
    )


def config(
    spec: GuestSpec,
    note: Note,
    files: Mapping[UUID, tuple[str, int]],
    networks: Sequence[Any],
    *,
    home: str,
    config_disc: str = "",
) -> Any:
    """A whole machine. `files` are where the disks are now, `networks` each card's backing."""
    appliance = spec.appliance
    changes = [added(controller("" if appliance is None else appliance.controller))]
    disc = ""
    for disk in spec.disks:
        if disk.is_cdrom:
            disc = disk.path
        else:
            changes.append(added(virtual_disk(disk, *files[disk.volume_id])))
    changes.append(added(drive(disc, *DISC_DRIVE)))
    if config_disc:
        changes.append(added(drive(config_disc, *CONFIG_DRIVE)))
    changes += [added(card(nic, backing)) for nic, backing in zip(spec.nics, networks, strict=True)]
    asked = sizes(spec.cpu_count, spec.cpu_mhz, spec.memory_mib)
    asked.name = machine_name(spec)
    asked.guestId = (appliance.os_id if appliance is not None else "") or "otherLinux64Guest"
    asked.instanceUuid = str(spec.guest_id)
    asked.uuid = str(spec.guest_id)
    asked.firmware = "efi" if spec.boot.startswith("uefi") else "bios"
    if spec.boot == "uefi-secure":
        asked.bootOptions = vim.vm.BootOptions(efiSecureBootEnabled=True)
    asked.files = vim.vm.FileInfo(vmPathName=home)
    asked.deviceChange = changes
    asked.cpuHotAddEnabled = spec.cpu_max > spec.cpu_count
    asked.memoryHotAddEnabled = spec.memory_max_mib > spec.memory_mib
    asked.extraConfig = extra(note)
    if appliance is not None:
        asked.vAppConfig = environment(appliance)
    return asked


def controller(model: str) -> Any:
    """The SCSI controller that an appliance knows, by OVF's word for it; else the fastest."""
    kinds = {
        "buslogic": device.VirtualBusLogicController,
        "lsilogic": device.VirtualLsiLogicController,
        "lsilogicsas": device.VirtualLsiLogicSASController,
    }
    kind = kinds.get(model.lower(), device.ParaVirtualSCSIController)
    return kind(key=SCSI_KEY, busNumber=0, sharedBus="noSharing")


def environment(appliance: GuestAppliance, there: Iterable[int] = ()) -> Any:
    """The vApp options of a machine, from which vCenter makes its OVF environment at a start.

    `there` are the keys of the properties that the machine has already.
    """
    has = set(there)
    kind = vim.vApp
    product = kind.ProductInfo(
        key=0,
        name=appliance.product,
        vendor=appliance.vendor,
        version=appliance.release,
    )
    found = [
        kind.PropertySpec(operation="edit" if number in has else "add", info=_property(number, one))
        for number, one in enumerate(appliance.properties)
    ]
    return kind.VmConfigSpec(
        product=[kind.ProductSpec(operation="edit" if has else "add", info=product)],
        property=found,
        ovfEnvironmentTransport=[*(appliance.transports or (GUEST_INFO,))],
    )


def _property(number: int, one: GuestProperty) -> Any:
    return vim.vApp.PropertyInfo(
        key=number,
        classId=one.class_id,
        instanceId=one.instance_id,
        id=one.key,
        category=one.category,
        label=one.label or one.key,
        type=one.type,
        userConfigurable=True,
        value=one.value,
    )


def sizes(cpu_count: int, cpu_mhz: int, memory_mib: int) -> Any:
    """Cores, their weight against others, and memory."""
    return vim.vm.ConfigSpec(
        numCPUs=cpu_count,
        memoryMB=memory_mib,
        cpuAllocation=vim.ResourceAllocationInfo(
            shares=vim.SharesInfo(
                level="custom", shares=max(1, min(1_000_000, cpu_count * cpu_mhz))
            )
        ),
    )


def virtual_disk(disk: DiskAttachment, file: str, size_bytes: int) -> Any:
    return device.VirtualDisk(
        key=-2000 - disk.device,
        controllerKey=SCSI_KEY,
        unitNumber=unit_of(disk.device),
        capacityInKB=size_bytes // 1024,
        backing=device.VirtualDisk.FlatVer2BackingInfo(
            fileName=file, diskMode="persistent",
        ),
        storageIOAllocation=allocation(disk.limits),
    )  # fmt: skip


def allocation(limits: DiskLimits) -> Any:
    return vim.StorageResourceManager.IOAllocationInfo(limit=iops(limits))


def iops(limits: DiskLimits) -> int:
    """Requests a second, of 32 KiB each; -1 for no limit. vSphere tells no reads from writes."""
    wanted = [limits.total_iops, limits.read_iops + limits.write_iops]
    total_bytes = limits.read_bytes + limits.write_bytes
    if total_bytes:
        wanted.append(max(1, total_bytes // COST_BYTES))
    return min((one for one in wanted if one > 0), default=-1)


def drive(disc: str, controller: int, unit: int) -> Any:
    """A drive on an IDE controller, which every machine has two of; empty without a disc."""
    made = device.VirtualCdrom(key=-3000 - unit, controllerKey=controller, unitNumber=unit)
    insert(made, disc)
    return made


def insert(drive_: Any, disc: str) -> None:
    """Put a disc into a drive, or take out what is there."""
    kind = device.VirtualCdrom
    if disc:
        drive_.backing = kind.IsoBackingInfo(fileName=disc)
    else:
        drive_.backing = kind.RemotePassthroughBackingInfo(exclusive=False, deviceName="")
    drive_.connectable = device.VirtualDevice.ConnectInfo(
        allowGuestControl=True, startConnected=bool(disc), connected=bool(disc)
    )


def card(nic: NicSpec, backing: Any) -> Any:
    """A network card; models that QEMU names and vSphere does not are its own paravirtual one."""
    kinds = {"e1000": device.VirtualE1000, "e1000e": device.VirtualE1000e}
    kind = kinds.get(nic.model.lower(), device.VirtualVmxnet3)
    return kind(
        key=-4000 - nic.nic_id.int % 1000,
        backing=backing,
        addressType="manual",
        macAddress=nic.mac.lower(),
        wakeOnLanEnabled=False,
        connectable=device.VirtualDevice.ConnectInfo(
            startConnected=True, connected=True, allowGuestControl=True
        ),
    )


def added(thing: Any) -> Any:
    return device.VirtualDeviceSpec(operation="add", device=thing)


def edited(thing: Any) -> Any:
    return device.VirtualDeviceSpec(operation="edit", device=thing)


def removed(thing: Any) -> Any:
    """Let go of a device; the file of a disk stays, since nothing says that it be destroyed."""
    return device.VirtualDeviceSpec(operation="remove", device=thing)
