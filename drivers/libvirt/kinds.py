"""What differs between the kinds of hypervisor that libvirt speaks for, in one value for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol
from uuid import UUID

import libvirt

from drivers.contract.compute import DiskAttachment, GuestSpec, NicSpec
from drivers.contract.driver import Capabilities
from drivers.libvirt import translate, translate_lxc, translate_xen
from drivers.libvirt.profile import HostProfile

NO_FILES = "libvirt plugs no disk file into a container that runs: stop it first"
NO_LAYERS = "a raw image keeps nothing of its guest's past"
LXC_CANNOT = MappingProxyType(
    {
        "migrate_guest": "a container does not move while it runs: stop it and start it elsewhere",
        "grow_guest": "libvirt changes the cores of no container that runs: stop it first",
        "snapshot_guest": NO_LAYERS,
        "revert_guest": NO_LAYERS,
        "forget_snapshot": NO_LAYERS,
        "attach_disk": NO_FILES,
        "detach_disk": NO_FILES,
        "limit_disk": "libvirt sets no limits on the disks of a container",
        "move_disk": "the disk of a container moves while it is off",
        "live_disk_growth": "the disk of a container grows while it is off",
        "survey_strangers": "containers that were made elsewhere are not taken over",
        "adopt_guest": "containers that were made elsewhere are not taken over",
        "disown_guest": "containers that were made elsewhere are not taken over",
        "adopt_disk": "containers that were made elsewhere are not taken over",
        "disown_disk": "containers that were made elsewhere are not taken over",
        "iso": "a container has no drive for a disc",
        "config_disc": "a container has no drive for a disc",
        "disk_limits": "libvirt sets no limits on the disks of a container",
        "uefi": "a container has no firmware",
        "secure_boot": "a container has no firmware",
        "tpm": "a container has no hardware of its own",
        "cpu_model": "a container sees its host's processor",
        "cpu_pinning": "a container runs on all cores of its host",
        "huge_pages": "a container's memory is its host's",
        "passthrough": "a container has no hardware of its own",
    }
)
FOREIGN = "Xen guests that were made elsewhere are not taken over"
NO_DRIVE = "a paravirtual guest has no drive for a disc"
OWN_LOADER = "paravirtual guests are started by their host's own boot loader"
XEN_CANNOT = MappingProxyType(
    {
        "snapshot_guest": NO_LAYERS,
        "revert_guest": NO_LAYERS,
        "forget_snapshot": NO_LAYERS,
        "grow_guest": "a Xen guest is started without room to grow",
        "limit_disk": "libvirt sets no limits on the disks of a Xen guest",
        "disk_limits": "libvirt sets no limits on the disks of a Xen guest",
        "move_disk": "the disk of a Xen guest moves while it is off",
        "live_disk_growth": "the disk of a Xen guest grows while it is off",
        "storage_migration": "a Xen guest moves from pools that its hosts share",
        "survey_strangers": FOREIGN,
        "adopt_guest": FOREIGN,
        "disown_guest": FOREIGN,
        "adopt_disk": FOREIGN,
        "disown_disk": FOREIGN,
        "iso": NO_DRIVE,
        "config_disc": NO_DRIVE,
        "uefi": OWN_LOADER,
        "secure_boot": OWN_LOADER,
        "tpm": "a Xen guest has no TPM here",
        "cpu_model": "a Xen guest sees its host's processor",
        "cpu_pinning": "a Xen guest runs on all cores of its host",
        "huge_pages": "Xen gives memory as it sees fit",
        "passthrough": "no device of a Xen host is given to a guest",
    }
)


class Words(Protocol):
    """Specs in libvirt's XML: one module for each kind."""

    def domain_xml(self, spec: GuestSpec, host: HostProfile, *, key: UUID) -> str: ...
    def disk_xml(self, disk: DiskAttachment, host: HostProfile) -> str: ...
    def nic_xml(self, nic: NicSpec, host: HostProfile) -> str: ...
    def links(self, spec: GuestSpec, host: HostProfile) -> dict[str, DiskAttachment]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`scheme` begins its URLs, `form` is the format of its disks, `runs` libvirt's name for the
    types of its guests, `package` what a host needs to run them. `has_reset`: a guest restarts
    in place. `counts`: libvirt tells the counters of all guests in one call. `by_libxl`: its guests
    move as those of Xen do. `has_first_process`: a guest is a process of the host and its children.
    """

    name: str
    scheme: str
    form: str
    runs: tuple[str, ...]
    package: str
    words: Words
    capabilities: Capabilities = field(repr=False)
    button: int = 0
    emulates: bool = False
    has_reset: bool = False
    counts: bool = False
    by_libxl: bool = False
    has_first_process: bool = False


KVM = Kind(
    name="KVM",
    scheme="qemu",
    form="qcow2",
    runs=("hvm",),
    package="qemu-system-x86",
    words=translate,
    button=libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN,
    emulates=True,
    has_reset=True,
    counts=True,
    capabilities=Capabilities(
        live_migration=True,
        storage_migration=True,
        disk_hot_plug=True,
        nic_hot_plug=True,
        snapshots=True,
        live_disk_move=True,
        guest_growth=True,
        adoption=True,
        guest_snapshots=True,
        disk_snapshots_alive=True,
        run_hook=True,
        routers=True,
        image_formats=("qcow2", "raw"),
    ),
)
LXC = Kind(
    name="LXC",
    scheme="lxc",
    form="raw",
    runs=("exe",),
    package="libvirt-daemon-driver-lxc",
    words=translate_lxc,
    has_first_process=True,
    button=libvirt.VIR_DOMAIN_SHUTDOWN_SIGNAL,
    capabilities=Capabilities(
        snapshots=True,
        nic_hot_plug=True,
        run_hook=True,
        image_formats=("raw",),
        cannot=LXC_CANNOT,
    ),
)
XEN = Kind(
    name="Xen",
    scheme="xen",
    form="raw",
    runs=("xen",),
    package="libvirt-daemon-driver-xen and a Xen hypervisor",
    words=translate_xen,
    by_libxl=True,
    capabilities=Capabilities(
        live_migration=True,
        snapshots=True,
        disk_hot_plug=True,
        nic_hot_plug=True,
        run_hook=True,
        image_formats=("raw",),
        cannot=XEN_CANNOT,
    ),
)
KINDS: Mapping[str, Kind] = MappingProxyType({one.name: one for one in (KVM, LXC, XEN)})
