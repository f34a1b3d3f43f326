"""Pure: from the contract's specs to libvirt's domain XML for paravirtual guests of Xen.

https://libvirt.org/drvxen.html: the host's `pygrub` finds the kernel in the guest's own disk, so
that a guest needs neither firmware nor a processor with virtualization. libxl keeps no aliases of
a guest's parts: they are known by their images and MACs, which our metadata names.
"""

from __future__ import annotations

from uuid import UUID
from xml.etree import ElementTree as ET

from drivers.contract.compute import DiskAttachment, GuestSpec, NicSpec
from drivers.contract.errors import Refused
from drivers.libvirt.profile import HostProfile
from drivers.libvirt.segments import bridge_of
from drivers.libvirt.translate import DISKS_MAX, NAMESPACE, add_text, domain_name, metadata

BOOTLOADER = "pygrub"


def domain_xml(spec: GuestSpec, host: HostProfile, *, key: UUID) -> str:
    domain = ET.Element("domain", type="xen")
    add_text(domain, "name", domain_name(spec))
    add_text(domain, "uuid", str(spec.guest_id))
    holder = metadata(spec, key=key)
    for ours in holder:
        ours.extend(_part(disk.volume_id, disk.path) for disk in spec.disks)
        ours.extend(_part(nic.nic_id, nic.mac) for nic in spec.nics)
    domain.append(holder)
    add_text(domain, "memory", str(spec.memory_mib), unit="MiB")
    add_text(domain, "vcpu", str(spec.cpu_count))
    if host.xen_kernel:
        system = ET.SubElement(domain, "os")
        add_text(system, "type", "linux", arch="x86_64", machine="xenpv")
        add_text(system, "kernel", host.xen_kernel)
        if host.xen_initrd:
            add_text(system, "initrd", host.xen_initrd)
        add_text(system, "cmdline", "root=/dev/xvda1 console=hvc0")
    else:
        add_text(domain, "bootloader", BOOTLOADER)
        add_text(ET.SubElement(domain, "os"), "type", "linux", arch="x86_64", machine="xenpv")
    ET.SubElement(domain, "clock", offset="utc")
    for event, action in (("poweroff", "destroy"), ("reboot", "restart"), ("crash", "destroy")):
        add_text(domain, f"on_{event}", action)
    devices = ET.SubElement(domain, "devices")
    for disk in spec.disks:
        devices.append(_disk(disk))
    for nic in spec.nics:
        devices.append(_nic(nic, host))
    console = ET.SubElement(devices, "console", type="pty")
    ET.SubElement(console, "target", type="xen", port="0")
    ET.indent(domain)
    return ET.tostring(domain, encoding="unicode")


def disk_xml(disk: DiskAttachment, host: HostProfile) -> str:
    return ET.tostring(_disk(disk), encoding="unicode")


def links(spec: GuestSpec, host: HostProfile) -> dict[str, DiskAttachment]:
    """None: libvirt is told of disks where they lie."""
    return {}


def nic_xml(nic: NicSpec, host: HostProfile) -> str:
    return ET.tostring(_nic(nic, host), encoding="unicode")


def _part(thing: UUID, what: str) -> ET.Element:
    return ET.Element(f"{{{NAMESPACE}}}part", {"id": str(thing), "is": what})


def _disk(disk: DiskAttachment) -> ET.Element:
    if disk.is_cdrom:
        raise Refused("a paravirtual guest has no drive for a disc")
    if not 0 <= disk.device < DISKS_MAX:
        raise Refused(f"disk {disk.volume_id}: no device number {disk.device}")
    element = ET.Element("disk", type="file", device="disk")
    ET.SubElement(element, "driver", name="qemu", type="raw")
    ET.SubElement(element, "source", file=disk.path)
    ET.SubElement(element, "target", dev=f"xvd{chr(ord('a') + disk.device)}", bus="xen")
    if disk.read_only:
        ET.SubElement(element, "readonly")
    return element


def _nic(nic: NicSpec, host: HostProfile) -> ET.Element:
    bridge = bridge_of(nic, host)
    if not bridge:
        raise Refused(
            f"network card {nic.mac}: a Xen guest needs a bridge of its host: name it as the Xen "
            "label of the guest traffic, or set default_bridge"
        )
    element = ET.Element("interface", type="bridge")
    ET.SubElement(element, "mac", address=nic.mac)
    ET.SubElement(element, "source", bridge=bridge)
    return element
