"""The XML that guests are made of, as files to be reviewed, and the way back from XML.

`python -m tests.drivers.test_libvirt_translate` writes the files anew.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.contract.compute import DiskAttachment, DiskLimits, GuestSpec, NicSpec, Power
from drivers.contract.errors import Refused
from drivers.contract.hardware import Hardware
from drivers.libvirt import translate, translate_lxc, translate_xen
from drivers.libvirt.kinds import Words
from drivers.libvirt.observe import Domain, read_capabilities
from drivers.libvirt.profile import HostProfile
from drivers.libvirt.segments import segment
from drivers.libvirt.translate import disk_xml, domain_name, domain_xml, nic_xml

GOLDEN = Path(__file__).parent / "test_libvirt_golden"
KEY = UUID("11111111-0000-4000-8000-000000000001")
GUEST = UUID("22222222-0000-4000-8000-000000000002")
ROOT = UUID("33333333-0000-4000-8000-000000000003")
DATA = UUID("44444444-0000-4000-8000-000000000004")
DISC = UUID("55555555-0000-4000-8000-000000000005")
FAST = UUID("77777777-0000-4000-8000-000000000007")
NIC = UUID("66666666-0000-4000-8000-000000000006")

EMULATED = HostProfile(accelerated=False, emulator="/usr/bin/qemu-system-x86_64", weighs_cpu=False)
KVM = HostProfile(
    accelerated=True,
    emulator="/usr/bin/qemu-system-x86_64",
    default_bridge="cloudbr0",
    bridge_kind="openvswitch",
    log_dir="/var/log/guests",
)
SMALL = GuestSpec(
    guest_id=GUEST,
    name="small",
    instance_name="i-222222220000-VM",
    cpu_count=1,
    cpu_mhz=500,
    memory_mib=128,
    disks=(DiskAttachment(volume_id=ROOT, path="/pool/root.qcow2", device=0),),
    nics=(NicSpec(nic_id=NIC, mac="02:00:00:00:00:01"),),
)
LARGE = GuestSpec(
    guest_id=GUEST,
    name='<Großer> & "Gast"',
    instance_name="i-1-Größe",
    cpu_count=4,
    cpu_mhz=2000,
    memory_mib=4096,
    disks=(
        DiskAttachment(volume_id=ROOT, path="/pool/a & b/root.qcow2", device=0),
        DiskAttachment(volume_id=DATA, path="/pool/data.qcow2", device=1, read_only=True),
        DiskAttachment(
            volume_id=FAST,
            path="/pool/fast.qcow2",
            device=2,
            cache="writeback",
            limits=DiskLimits(total_iops=900, read_iops=1, read_bytes=1 << 20, write_bytes=1 << 19),
        ),
        DiskAttachment(volume_id=DISC, path="/pool/disc.iso", device=3, is_cdrom=True),
    ),
    nics=(
        NicSpec(nic_id=NIC, mac="02:00:00:00:00:01", vlan=100),
        NicSpec(nic_id=DATA, mac="02:00:00:00:00:02", bridge="br1", model="e1000"),
    ),
    user_data="#!/bin/sh\necho '<hello>'\n",
    labels=(("owner", "a&b"),),
)
SECURE = replace(
    SMALL,
    name="secure",
    boot="uefi-secure",
    cpu_count=2,
    cpu_max=4,
    hardware=Hardware(
        cpu_mode="host-passthrough",
        cpu_pins=("0-1", "2"),
        huge_page_kib=2048,
        pci_devices=("0000:3b:00.1",),
        tpm="2.0",
    ),
)
BOX = replace(
    SMALL,
    name="box",
    disks=(
        SMALL.disks[0],
        DiskAttachment(volume_id=DATA, path="/pool/data.raw", device=1, image_format="raw"),
    ),
    user_data="aGVsbG8=",
)
CASES: dict[str, tuple[GuestSpec, HostProfile, Words]] = {
    "small": (SMALL, EMULATED, translate),
    "large": (LARGE, KVM, translate),
    "secure": (SECURE, KVM, translate),
    "container": (BOX, replace(KVM, emulator="/usr/lib/libvirt/libvirt_lxc"), translate_lxc),
    "xen": (BOX, KVM, translate_xen),
}


def render(name: str) -> str:
    spec, host, words = CASES[name]
    return words.domain_xml(spec, host, key=KEY) + "\n"


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    assert render(name) == (GOLDEN / f"{name}.xml").read_text()


@pytest.mark.parametrize("name", CASES)
def test_what_was_said_is_read_back(name: str) -> None:
    """All but libvirt's own way of writing memory, which it always shows in KiB."""
    spec, *_ = CASES[name]
    xml = render(name).replace('unit="MiB">', 'unit="KiB">')
    status = Domain.read(xml).status(libvirt.VIR_DOMAIN_RUNNING)
    assert (status.guest_id, status.name, status.key) == (GUEST, spec.name, KEY)
    assert status.power is Power.RUNNING
    assert status.cpu_count == spec.cpu_count
    assert sorted(status.disks) == sorted(disk.path for disk in spec.disks)
    assert (Domain.read(xml).device(NIC) or "").startswith("<interface")
    assert Domain.read(xml).device(KEY) is None


def test_a_copied_metadata_element_makes_nobody_ours() -> None:
    """Somebody who clones our guest's XML by hand gets a stranger and not a second guest."""
    xml = render("small").replace(f"<uuid>{GUEST}", f"<uuid>{KEY}")
    status = Domain.read(xml).status(libvirt.VIR_DOMAIN_RUNNING)
    assert status.guest_id is None
    assert status.name == domain_name(SMALL)
    assert status.key is None


def test_a_domain_has_the_name_that_the_cloud_tells_of_it() -> None:
    """In letters that libvirt, files and shells take; what says no name is known by its id."""
    for told, made in {
        "i-222222220000-VM": "i-222222220000-VM",
        "db_1.prod": "db_1.prod",
        "i-1-Größe": "i-1-Gr-e",
        "../../etc": "etc",
        "../..": f"i-{GUEST}",
        "": f"i-{GUEST}",
    }.items():
        assert domain_name(replace(SMALL, instance_name=told)) == made


@given(text=st.text(max_size=40))
def test_no_name_breaks_the_xml(text: str) -> None:
    spec = replace(SMALL, name=text, instance_name=text, user_data=text, labels=((text, text),))
    root = Domain.read(domain_xml(spec, EMULATED, key=KEY)).root
    assert len(root.findall("name")) == 1
    assert root.findtext("uuid") == str(GUEST)


def test_what_cannot_be_said_is_refused() -> None:
    with pytest.raises(Refused, match="root disk"):
        domain_xml(replace(SMALL, boot="uefi", disks=()), EMULATED, key=KEY)
    with pytest.raises(Refused, match="root disk"):
        domain_xml(replace(SMALL, disks=(), hardware=Hardware(tpm="2.0")), EMULATED, key=KEY)
    with pytest.raises(Refused, match="no PCI device"):
        asked = Hardware(pci_devices=("01:00.0; rm -rf /",))
        domain_xml(replace(SMALL, hardware=asked), EMULATED, key=KEY)
    with pytest.raises(Refused, match="user data"):
        domain_xml(replace(SMALL, user_data="x" * 100_000), EMULATED, key=KEY)
    with pytest.raises(Refused, match="device number 26"):
        disk_xml(DiskAttachment(volume_id=ROOT, path="/x", device=26), EMULATED)


def test_each_vlan_has_a_bridge_of_its_own() -> None:
    def bridge(vlan: int | None) -> str:
        nic = NicSpec(nic_id=NIC, mac="02:00:00:00:00:01", bridge="br0", vlan=vlan)
        source = ET.fromstring(nic_xml(nic, EMULATED)).find("source")
        assert source is not None
        return source.attrib["bridge"]

    assert [bridge(None), bridge(7), bridge(4094)] == ["br0", "br0-7", "br0-4094"]
    assert len(segment("a-very-long-bridge-name", 4094)) <= 15


def test_a_host_without_x86_guests_is_refused() -> None:
    with pytest.raises(Refused, match="x86-64"):
        read_capabilities("<capabilities><host/></capabilities>", where="host")


@pytest.mark.parametrize(
    ("counter", "mhz"),
    [
        ("<counter name='tsc' frequency='2399999000' scaling='yes'/>", 2400),
        ("<counter name='tsc' scaling='no'/>", 0),
        ("", 0),
    ],
)
def test_a_host_is_rated_by_its_time_stamp_counter(counter: str, mhz: int) -> None:
    """However slowly its cores run now, to save power."""
    xml = (
        f"<capabilities><host><uuid>a</uuid><cpu><arch>x86_64</arch>{counter}</cpu></host>"
        "<guest><os_type>hvm</os_type><arch name='x86_64'><emulator>/qemu</emulator>"
        "<domain type='kvm'/></arch></guest></capabilities>"
    )
    assert read_capabilities(xml, where="host").rated_mhz == mhz


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for case in CASES:
        (GOLDEN / f"{case}.xml").write_text(render(case))
