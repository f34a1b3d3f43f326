"""Pure: from what libvirt shows to what the contract says."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from drivers.contract.compute import GuestStatus, Power
from drivers.contract.errors import Refused
from drivers.libvirt.translate import CDROM_TARGET, NAMESPACE, alias

POWER = {
    libvirt.VIR_DOMAIN_NOSTATE: Power.OFF,
    libvirt.VIR_DOMAIN_RUNNING: Power.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: Power.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: Power.PAUSED,
    libvirt.VIR_DOMAIN_SHUTDOWN: Power.RUNNING,
    libvirt.VIR_DOMAIN_SHUTOFF: Power.OFF,
    libvirt.VIR_DOMAIN_CRASHED: Power.CRASHED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: Power.PAUSED,
}
KIB = 1024


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain's XML with questions to it."""

    root: ET.Element

    @staticmethod
    def read(xml: str) -> Domain:
        return Domain(ET.fromstring(xml))

    @property
    def ours(self) -> ET.Element | None:
        return self.root.find(f"metadata/{{{NAMESPACE}}}guest")

    @property
    def guest_id(self) -> UUID | None:
        """Ours, if a controller made or adopted it: a copied metadata element names nobody."""
        ours, own = self.ours, self.root.findtext("uuid", "")
        if ours is None or own not in (ours.get("id"), ours.get("adopted")):
            return None
        return UUID(ours.get("id", own))

    @property
    def disk_paths(self) -> tuple[str, ...]:
        """Every image that the guest holds, discs included; a container's root is no disk."""
        disks = ("devices/disk/source", "devices/filesystem[@type='file']/source")
        sources = [source for path in disks for source in self.root.findall(path)]
        parts = [] if self.ours is None else self.ours.findall(f"{{{NAMESPACE}}}part")
        links = {part.get("link", ""): part.get("is", "") for part in parts}
        files = (path for source in sources if (path := source.get("file")))
        return tuple(links.get(path, path) for path in files)

    @property
    def written_paths(self) -> tuple[str, ...]:
        """The images that the guest may write to, and so not the discs."""
        disks = [d for d in self.root.findall("devices/disk") if d.find("readonly") is None]
        sources = [source for d in disks if (source := d.find("source")) is not None]
        return tuple(path for source in sources if (path := source.get("file")))

    @property
    def bridges(self) -> tuple[str, ...]:
        sources = self.root.findall("devices/interface[@type='bridge']/source")
        return tuple(name for source in sources if (name := source.get("bridge", "")))

    @property
    def cdrom_path(self) -> str:
        for disk in self.root.findall("devices/disk[@device='cdrom']"):
            target, source = disk.find("target"), disk.find("source")
            if target is not None and target.get("dev") == CDROM_TARGET:
                return "" if source is None else source.get("file", "")
        return ""

    def device(self, thing: UUID) -> str | None:
        """The XML of the disk or card with our id, as libvirt wants it back to unplug it."""
        for element in self.root.findall("devices/*"):
            name = element.find("alias")
            if name is not None and name.get("name") == alias(thing):
                return ET.tostring(element, encoding="unicode")
        return self._adopted_device(thing)

    def _adopted_device(self, thing: UUID) -> str | None:
        """A part that has no alias is known by its image or its MAC, which the metadata names."""
        for known in () if self.ours is None else self.ours.findall(f"{{{NAMESPACE}}}part"):
            if known.get("id") != str(thing):
                continue
            for element in self.root.findall("devices/*"):
                source, mac = element.find("source"), element.find("mac")
                held = "" if source is None else source.get("file", "")
                address = "" if mac is None else mac.get("address", "")
                if known.get("is") in {held, address} - {""}:
                    return ET.tostring(element, encoding="unicode")
        return None

    def disk_of(self, path: str) -> ET.Element | None:
        """The disk whose image lies at `path`."""
        for disk in self.root.findall("devices/disk"):
            source = disk.find("source")
            if source is not None and source.get("file") == path:
                return disk
        return None

    def target_of(self, path: str) -> str:
        """What libvirt calls the disk at `path`, such as `vda`; empty if there is none."""
        disk = self.disk_of(path)
        target = None if disk is None else disk.find("target")
        return "" if target is None else target.get("dev", "")

    def mirror_of(self, path: str) -> tuple[str, bool]:
        """Where the disk at `path` is being copied to, and whether the copy has caught up."""
        disk = self.disk_of(path)
        mirror = None if disk is None else disk.find("mirror")
        if mirror is None:
            return "", False
        source = mirror.find("source")
        file = mirror.get("file", "") if source is None else source.get("file", "")
        return file, mirror.get("ready") == "yes"

    @property
    def cpu_count(self) -> int:
        """The cores that it has now, of those that it may grow to."""
        vcpu = self.root.find("vcpu")
        return 0 if vcpu is None else int(vcpu.get("current") or vcpu.text or "0")

    @property
    def vnc(self) -> tuple[str, int]:
        graphics = self.root.find("devices/graphics[@type='vnc']")
        if graphics is None:
            return "", 0
        return graphics.get("listen", ""), max(0, int(graphics.get("port", "0")))

    @property
    def serial_device(self) -> str:
        source = self.root.find("devices/serial/source")
        if source is None:
            source = self.root.find("devices/console/source")
        return "" if source is None else source.get("path", "")

    @property
    def serial_log(self) -> str:
        log = self.root.find("devices/serial/log")
        return "" if log is None else log.get("file", "")

    def status(self, state: int) -> GuestStatus:
        ours = self.ours
        mine = ours is not None and self.guest_id is not None
        key = ours.get("key", "") if ours is not None and mine else ""
        name = self.root.findtext("name", "")
        return GuestStatus(
            guest_id=self.guest_id,
            name=ours.get("name", name) if ours is not None and mine else name,
            power=POWER.get(state, Power.CRASHED),
            key=UUID(key) if key else None,
            cpu_count=self.cpu_count,
            memory_mib=int(self.root.findtext("memory", "0")) // KIB,
            disks=self.disk_paths,
        )


@dataclass(frozen=True, slots=True)
class HostDescription:
    """What libvirt's capabilities say: who the host is, and what it emulates with.

    `rated_mhz` is the rate of its time stamp counter, which is what its cores are rated at however
    slowly they run to save power (libvirt's "Host capabilities", `counter`); 0 if not told.
    """

    hardware_id: str
    emulator: str
    offers_kvm: bool
    rated_mhz: int = 0


def read_capabilities(
    xml: str, *, where: str, runs: tuple[str, ...] = ("hvm",), lacking: str = "qemu-system-x86"
) -> HostDescription:
    """Refused: the host cannot run x86-64 guests of these types, which is all that we describe."""
    root = ET.fromstring(xml)
    for guest in root.findall("guest"):
        arch = guest.find("arch[@name='x86_64']")
        if guest.findtext("os_type") in runs and arch is not None:
            kinds = {domain.get("type") for domain in arch.findall("domain")}
            emulator = arch.findtext("emulator", "")
            own_id = root.findtext("host/uuid", "")
            return HostDescription(own_id, emulator, "kvm" in kinds, _rated_mhz(root))
    raise Refused(f"{where}: libvirt has no emulator for x86-64 guests: install {lacking}")


def _rated_mhz(capabilities: ET.Element) -> int:
    counter = capabilities.find("host/cpu/counter[@name='tsc']")
    hertz = "" if counter is None else counter.get("frequency", "")
    return round(int(hertz) / 1_000_000) if hertz.isdecimal() else 0
