"""What is said to a vCenter and read from it, without one: URLs, notes, limits, machines."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from drivers.conformance.usual import small_guest
from drivers.contract.compute import DiskAttachment, DiskLimits
from drivers.contract.errors import Refused, Unavailable, Unknown
from drivers.contract.guest_appliance import GuestAppliance, GuestProperty
from drivers.contract.storage import PoolSpec
from drivers.vsphere import address, errors, notes, translate
from drivers.vsphere.client import Found
from drivers.vsphere.machines import DEVICES, Machine
from drivers.vsphere.notes import HeldDisk, Note
from drivers.vsphere.sdk import vim, vmodl

PIN = f"sha256:{'ab' * 32}"


def test_a_hosts_url_is_read_as_it_was_written() -> None:
    """Names with slashes and blanks, an IPv6 address, a port and a pin all come back."""
    place = address.read(f"vsphere://[fd00::1]:8443/Our%20DC/a%2Fb?pin={PIN}")
    assert (place.host, place.port, place.datacenter, place.cluster) == (
        ("fd00::1", 8443, "Our DC", "a/b")
    )
    again = address.read(place.url_of("esx 1.test"))
    assert again == replace(place, esx="esx 1.test")
    assert address.read("vsphere://v.test/d/c").url_of("h") == "vsphere://v.test/d/c/h"


@pytest.mark.parametrize("host", ["a..b", "\ufffe", "-a", "a" * 64, "a b", ""])
def test_what_is_no_name_of_a_machine_is_no_vcenter(host: str) -> None:
    with pytest.raises(Refused):
        address.read(f"vsphere://{host}/d/c")


def test_a_pool_is_a_datastore_of_a_datacenter() -> None:
    names = address.pool_names(PoolSpec(pool_id=uuid4(), url="vmfs://Our%20DC/store%201"))
    assert names == ("Our DC", "store 1")
    for url in ("vmfs://only", "file:///srv", "vmfs://a/b/c"):
        with pytest.raises(Refused, match="must be like vmfs://"):
            address.pool_names(PoolSpec(pool_id=uuid4(), url=url))


@pytest.mark.parametrize(
    ("limits", "iops"),
    [
        (DiskLimits(), -1),
        (DiskLimits(total_iops=500), 500),
        (DiskLimits(read_iops=100, write_iops=50), 150),
        (DiskLimits(read_bytes=320 * 1024), 10),
        (DiskLimits(total_iops=500, write_bytes=320 * 1024), 10),
        (DiskLimits(read_bytes=1), 1),
    ],
)
def test_limits_are_requests_of_32_kib(limits: DiskLimits, iops: int) -> None:
    assert translate.iops(limits) == iops


def test_disks_sit_around_the_controllers_own_place() -> None:
    """SCSI unit 7 is the controller's: the eighth disk comes behind it, and none share a unit."""
    units = [translate.unit_of(number) for number in range(15)]
    assert 7 not in units and len(set(units)) == 15 and units[7] == 8


def test_a_machines_name_holds_no_mark_of_the_inventory() -> None:
    spec = replace(small_guest(), name="50% of a/b\\c" + "x" * 100)
    name = translate.machine_name(spec)
    assert not set("/\\") & set(name) and len(name) <= translate.NAME_MAX
    spec = replace(spec, instance_name="i-1/2-VM")
    assert translate.machine_name(spec) == "i-1%2f2-VM"


def test_a_machine_is_made_as_it_was_specified() -> None:
    volume = uuid4()
    disk = DiskAttachment(
        volume_id=volume, path="[s] p/disks/v.vmdk", device=0, limits=DiskLimits(total_iops=9)
    )
    spec = replace(small_guest(disks=[disk]), boot="uefi-secure", cpu_max=2)
    note = translate.note_of(spec, uuid4(), ())
    made = translate.config(spec, note, {volume: (disk.path, 2**20)}, (), home="[s]")
    assert (made.firmware, made.bootOptions.efiSecureBootEnabled) == ("efi", True)
    assert (made.cpuHotAddEnabled, made.memoryHotAddEnabled) == (True, False)
    assert made.instanceUuid == str(spec.guest_id)
    disks = [one.device for one in made.deviceChange if hasattr(one.device, "capacityInKB")]
    assert [(one.capacityInKB, one.storageIOAllocation.limit) for one in disks] == [(1024, 9)]
    assert all(one.fileOperation is None for one in made.deviceChange), "no file is made or lost"
    assert notes.read(made.extraConfig[0].value) == note


def test_a_copy_of_a_machine_is_nobodys() -> None:
    """The note names the machine that it was written on; a hand that breaks it frees it too."""
    guest = uuid4()
    note = Note(guest=guest, disks={uuid4(): HeldDisk("[s] a", "1000:0")})
    values = {notes.PATH: note.text(), "config.instanceUuid": str(guest), DEVICES: []}
    assert Machine(None, Found(None, values)).note == note
    copy = values | {"config.instanceUuid": str(uuid4())}
    assert Machine(None, Found(None, copy)).note is None
    assert notes.read("{not ours") is None and notes.read("") is None


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (vim.fault.InvalidLogin(), Refused),
        (vim.fault.NoPermission(privilegeId="VirtualMachine.Interact.PowerOn"), Refused),
        (vim.fault.InsufficientMemoryResourcesFault(), Unavailable),
        (vim.fault.TaskInProgress(), Unavailable),
        (vim.fault.FileLocked(file="[s] a.vmdk"), Unavailable),
        (vim.fault.NoDiskSpace(), Unavailable),
        (vmodl.fault.SystemError(reason="disk on fire"), Unknown),
        (vmodl.fault.InvalidArgument(invalidProperty="spec"), Refused),
    ],
)
def test_faults_are_told_apart(fault: object, kind: type[Exception]) -> None:
    """And say their class, and what they are about."""
    told = errors.of_fault(fault, doing="start", changing=True)
    assert type(told) is kind
    assert type(fault).__name__.rsplit(".", 1)[-1] in str(told)
    for detail in ("privilegeId", "file", "reason", "invalidProperty"):
        assert (getattr(fault, detail, None) or "") in str(told)


def test_a_guest_is_told_the_properties_of_its_appliance() -> None:
    """Those that its machine has already are changed, and the others are added."""
    told = GuestAppliance(
        product="Router",
        properties=(
            GuestProperty(key="ip", class_id="net", type="ip", value="192.0.2.7"),
            GuestProperty(key="secret", type="string", value="tell-nobody"),
        ),
    )
    assert "tell-nobody" not in repr(told)
    spec = translate.environment(told, [0])
    assert [(one.operation, one.info.key) for one in spec.property] == [("edit", 0), ("add", 1)]
    first = spec.property[0].info
    assert (first.classId, first.id, first.value) == ("net", "ip", "192.0.2.7")
    assert list(spec.ovfEnvironmentTransport) == ["com.vmware.guestInfo"]
    assert spec.product[0].operation == "edit"


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("lsilogic", "VirtualLsiLogicController"),
        ("lsilogicsas", "VirtualLsiLogicSASController"),
        ("VirtualSCSI", "ParaVirtualSCSIController"),
        ("", "ParaVirtualSCSIController"),
    ],
)
def test_an_appliance_gets_the_controller_that_it_knows(model: str, kind: str) -> None:
    assert type(translate.controller(model)).__name__.rpartition(".")[2] == kind
