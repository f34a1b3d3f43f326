"""Pure: from the contract's specs to libvirt's domain XML.

The element names are libvirt's (https://libvirt.org/formatdomain.html). What is ours is in the
metadata, under `NAMESPACE`: with it the host itself says which guests belong to a controller.
Disks and cards carry the user alias `ua-<id>`, so that they are found again by our own id.
"""

from __future__ import annotations

import base64
import re
from uuid import UUID
from xml.etree import ElementTree as ET

from drivers.contract.compute import DiskAttachment, DiskLimits, GuestSpec, NicSpec
from drivers.contract.errors import Refused
from drivers.libvirt import hardware
from drivers.libvirt.config_disc import path_in
from drivers.libvirt.profile import HostProfile
from drivers.libvirt.segments import bridge_of

NAMESPACE = "urn:sagastack:guest:1"
CDROM_DEVICE = 3
CDROM_TARGET = "sda"
CONFIG_TARGET = "sdb"
SPARE_PCI_PORTS = 8
AGENT = "org.qemu.guest_agent.0"
DISKS_MAX = 26
MEMORY_SLOTS = 16
SHARES_MIN, SHARES_MAX = 2, 10_000
USER_DATA_MAX_BYTES = 90_000
USER_DATA_NAME = "opt/io.sagastack/user-data.base64"
NAME_MAX = 63
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

ET.register_namespace("sagastack", NAMESPACE)


def domain_name(spec: GuestSpec) -> str:
    """The instance's name, in letters that libvirt and files take; without one, made of its id."""
    safe = _UNSAFE.sub("-", spec.instance_name).strip("-.")[:NAME_MAX]
    return safe or f"i-{spec.guest_id}"


def alias(thing: UUID) -> str:
    return f"ua-{thing}"


def domain_xml(spec: GuestSpec, host: HostProfile, *, key: UUID) -> str:
    """The whole guest. Refused: this driver has no words for what is asked."""
    told_by_firmware = spec.user_data if not spec.config else ""
    if len(told_by_firmware.encode()) > USER_DATA_MAX_BYTES:  # Linux takes no longer argument
        raise Refused(f"guest {spec.name}: user data of more than {USER_DATA_MAX_BYTES} bytes")
    domain = ET.Element("domain", type="kvm" if host.accelerated else "qemu")
    add_text(domain, "name", domain_name(spec))
    add_text(domain, "uuid", str(spec.guest_id))
    domain.append(metadata(spec, key=key))
    if spec.memory_max_mib > spec.memory_mib:
        room = {"slots": str(MEMORY_SLOTS), "unit": "MiB"}
        add_text(domain, "maxMemory", str(spec.memory_max_mib), **room)
    add_text(domain, "memory", str(spec.memory_mib), unit="MiB")
    _add(domain, hardware.memory_backing(spec))
    if spec.cpu_max > spec.cpu_count:
        add_text(domain, "vcpu", str(spec.cpu_max), current=str(spec.cpu_count))
    else:
        add_text(domain, "vcpu", str(spec.cpu_count))
    if tuned := [*weight(spec, host), *hardware.pins(spec)]:
        ET.SubElement(domain, "cputune").extend(tuned)
    if told_by_firmware:
        sysinfo = ET.SubElement(domain, "sysinfo", type="fwcfg")
        add_text(sysinfo, "entry", _user_data(told_by_firmware), name=USER_DATA_NAME)
    domain.append(hardware.system(spec))
    domain.append(hardware.features(spec))
    domain.append(hardware.cpu(spec, host))
    ET.SubElement(domain, "clock", offset="utc")
    for event, action in (("poweroff", "destroy"), ("reboot", "restart"), ("crash", "destroy")):
        add_text(domain, f"on_{event}", action)
    domain.append(_devices(spec, host))
    ET.indent(domain)
    return ET.tostring(domain, encoding="unicode")


def metadata(spec: GuestSpec, *, key: UUID) -> ET.Element:
    """Who made the guest and in which step, for sweepers."""
    holder = ET.Element("metadata")
    ours = ET.SubElement(holder, f"{{{NAMESPACE}}}guest")
    ours.set("id", str(spec.guest_id))
    ours.set("key", str(key))
    ours.set("name", _clean(spec.name))
    for name, value in spec.labels:
        ET.SubElement(ours, f"{{{NAMESPACE}}}label", {"name": _clean(name), "value": _clean(value)})
    return holder


def disk_xml(disk: DiskAttachment, host: HostProfile) -> str:
    return ET.tostring(_disk(disk, host), encoding="unicode")


def links(spec: GuestSpec, host: HostProfile) -> dict[str, DiskAttachment]:
    """None: libvirt is told of disks where they lie."""
    return {}


def nic_xml(nic: NicSpec, host: HostProfile) -> str:
    return ET.tostring(_nic(nic, host), encoding="unicode")


def cdrom_xml(path: str) -> str:
    """The drive that every guest has, holding the image at `path`; empty if there is none."""
    return ET.tostring(_cdrom(path), encoding="unicode")


def _user_data(text: str) -> str:
    """In Base64: libvirt passes it to QEMU as it is, where a comma would begin another option."""
    return base64.b64encode(text.encode()).decode()


def dimm_xml(size_mib: int) -> str:
    """A memory module that is plugged into a running guest."""
    module = ET.Element("memory", model="dimm")
    target = ET.SubElement(module, "target")
    add_text(target, "size", str(size_mib), unit="MiB")
    add_text(target, "node", "0")
    return ET.tostring(module, encoding="unicode")


def weight(spec: GuestSpec, host: HostProfile) -> list[ET.Element]:
    """The guest's weight against others: its cores times their speed."""
    if not host.weighs_cpu:
        return []
    shares = ET.Element("shares")
    shares.text = str(cpu_shares(spec.cpu_count, spec.cpu_mhz))
    return [shares]


def cpu_shares(cpu_count: int, cpu_mhz: int) -> int:
    """A tenth of it, because cgroups v2 takes no weight above 10,000, and v1 none below 2."""
    return min(SHARES_MAX, max(SHARES_MIN, cpu_count * cpu_mhz // 10))


def _devices(spec: GuestSpec, host: HostProfile) -> ET.Element:
    devices = ET.Element("devices")
    add_text(devices, "emulator", host.emulator)
    ET.SubElement(devices, "controller", type="usb", model="none")
    ET.SubElement(devices, "controller", type="pci", index="0", model="pcie-root")
    plugged = [disk for disk in spec.disks if not disk.is_cdrom]
    # Balloon, random numbers, the agent's controller, and the config disc's.
    fixed = (4 if spec.config else 3) + len(spec.hardware.pci_devices)
    for index in range(1, fixed + len(plugged) + len(spec.nics) + SPARE_PCI_PORTS + 1):
        ET.SubElement(devices, "controller", type="pci", index=str(index), model="pcie-root-port")
    for disk in plugged:
        devices.append(_disk(disk, host))
    discs = [disk.path for disk in spec.disks if disk.is_cdrom]
    devices.append(_cdrom(discs[0] if discs else ""))
    if spec.config:
        ET.SubElement(devices, "controller", type="scsi", index="0", model="virtio-scsi")
        # Kernels made for clouds know no SATA, and all of them virtio.
        disc = path_in(host.config_dir, spec.guest_id)
        devices.append(_cdrom(disc, target=CONFIG_TARGET, bus="scsi"))
    for nic in spec.nics:
        devices.append(_nic(nic, host))
    serial = ET.SubElement(devices, "serial", type="pty")
    if log := host.serial_log(spec.guest_id):
        ET.SubElement(serial, "log", file=log, append="on")
    console = ET.SubElement(devices, "console", type="pty")
    ET.SubElement(console, "target", type="serial", port="0")
    channel = ET.SubElement(devices, "channel", type="unix")
    ET.SubElement(channel, "target", type="virtio", name=AGENT)
    _add(devices, hardware.tpm(spec))
    ET.SubElement(devices, "graphics", type="vnc", autoport="yes", listen=host.vnc_listen)
    ET.SubElement(ET.SubElement(devices, "video"), "model", type="vga", vram="16384", heads="1")
    ET.SubElement(ET.SubElement(devices, "memballoon", model="virtio"), "stats", period="10")
    devices.extend(hardware.host_devices(spec))
    rng = ET.SubElement(devices, "rng", model="virtio")
    add_text(rng, "backend", "/dev/urandom", model="random")
    return devices


def _disk(disk: DiskAttachment, host: HostProfile) -> ET.Element:
    """A virtio disk. Guests see the first 20 digits of its id as the serial number."""
    if not 0 <= disk.device < DISKS_MAX:
        raise Refused(f"disk {disk.volume_id}: no device number {disk.device}")
    element = ET.Element("disk", type="file", device="disk")
    cache = disk.cache or host.disk_cache
    driver = {"name": "qemu", "type": disk.image_format, "cache": cache}
    ET.SubElement(element, "driver", {**driver, "discard": "unmap"})
    ET.SubElement(element, "source", file=disk.path)
    ET.SubElement(element, "target", dev=f"vd{chr(ord('a') + disk.device)}", bus="virtio")
    _limit(element, disk)
    add_text(element, "serial", disk.volume_id.hex[:20])
    ET.SubElement(element, "alias", name=alias(disk.volume_id))
    if disk.read_only:
        ET.SubElement(element, "readonly")
    return element


def _limit(element: ET.Element, disk: DiskAttachment) -> None:
    tunes = {name: value for name, value in every_tune(disk.limits).items() if value}
    if tunes:
        tune = ET.SubElement(element, "iotune")
        for name, value in tunes.items():
            add_text(tune, name, str(value))


def every_tune(limits: DiskLimits) -> dict[str, int]:
    """All limits by libvirt's names. It takes a total or its parts, and not both."""
    parts = DiskLimits() if limits.total_iops else limits
    return {
        "read_bytes_sec": limits.read_bytes,
        "write_bytes_sec": limits.write_bytes,
        "total_iops_sec": limits.total_iops,
        "read_iops_sec": parts.read_iops,
        "write_iops_sec": parts.write_iops,
    }


def _cdrom(path: str, *, target: str = CDROM_TARGET, bus: str = "sata") -> ET.Element:
    element = ET.Element("disk", type="file", device="cdrom")
    ET.SubElement(element, "driver", name="qemu", type="raw")
    if path:
        ET.SubElement(element, "source", file=path)
    ET.SubElement(element, "target", dev=target, bus=bus)
    ET.SubElement(element, "readonly")
    return element


def _nic(nic: NicSpec, host: HostProfile) -> ET.Element:
    """A card on a bridge; without any bridge, one behind QEMU's own address translation."""
    bridge = bridge_of(nic, host)
    element = ET.Element("interface", type="bridge" if bridge else "user")
    ET.SubElement(element, "mac", address=nic.mac)
    if bridge:
        ET.SubElement(element, "source", bridge=bridge)
    if bridge and host.bridge_kind == "openvswitch":
        ET.SubElement(element, "virtualport", type="openvswitch")
        if nic.vlan is not None:
            ET.SubElement(ET.SubElement(element, "vlan"), "tag", id=str(nic.vlan))
    ET.SubElement(element, "model", type=nic.model)
    ET.SubElement(element, "rom", enabled="no")
    ET.SubElement(element, "alias", name=alias(nic.nic_id))
    return element


def _add(parent: ET.Element, child: ET.Element | None) -> None:
    if child is not None:
        parent.append(child)


def add_text(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text


def _clean(text: str) -> str:
    """XML has no way to say some characters, not even escaped."""
    return _NOT_XML.sub("�", text)
