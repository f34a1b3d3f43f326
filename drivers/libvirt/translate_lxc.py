"""Pure: from the contract's specs to libvirt's domain XML for containers (`type="lxc"`).

https://libvirt.org/drvlxc.html: the root disk is a raw file whose file system is mounted by a loop
device as the container's root, and any other disk is a block device in it. libvirt keeps no
aliases of a container's parts, so that its cards are known by their MACs, which our metadata names.

libvirt takes no path of more than 63 bytes for a loop device. So each disk has a link of a short
name (`links`), and the metadata says what it leads to.
"""

from __future__ import annotations

import base64
from uuid import UUID
from xml.etree import ElementTree as ET

from drivers.contract.compute import DiskAttachment, GuestSpec, NicSpec
from drivers.contract.errors import Refused
from drivers.libvirt.profile import HostProfile
from drivers.libvirt.segments import bridge_of
from drivers.libvirt.translate import (
    DISKS_MAX,
    NAMESPACE,
    add_text,
    domain_name,
    metadata,
    weight,
)

USER_DATA = "SAGASTACK_USER_DATA"
DISC_DEVICE = 3


def domain_xml(spec: GuestSpec, host: HostProfile, *, key: UUID) -> str:
    """The whole container. It has a network of its own even if it has no card."""
    domain = ET.Element("domain", type="lxc")
    add_text(domain, "name", domain_name(spec))
    add_text(domain, "uuid", str(spec.guest_id))
    holder = metadata(spec, key=key)
    for ours in holder:
        for link, disk in links(spec, host).items():
            named = {"id": str(disk.volume_id), "is": disk.path, "link": link}
            ET.SubElement(ours, f"{{{NAMESPACE}}}part", named)
        for nic in spec.nics:
            ET.SubElement(ours, f"{{{NAMESPACE}}}part", {"id": str(nic.nic_id), "is": nic.mac})
    domain.append(holder)
    add_text(domain, "memory", str(spec.memory_mib), unit="MiB")
    add_text(domain, "vcpu", str(spec.cpu_count))
    if weighed := weight(spec, host):
        ET.SubElement(domain, "cputune").extend(weighed)
    system = ET.SubElement(domain, "os")
    add_text(system, "type", "exe", arch="x86_64")
    add_text(system, "init", host.init)
    if spec.user_data:
        told = base64.b64encode(spec.user_data.encode()).decode()
        add_text(system, "initenv", told, name=USER_DATA)
    ET.SubElement(ET.SubElement(domain, "features"), "privnet")
    ET.SubElement(domain, "clock", offset="utc")
    for event, action in (("poweroff", "destroy"), ("reboot", "restart"), ("crash", "destroy")):
        add_text(domain, f"on_{event}", action)
    devices = ET.SubElement(domain, "devices")
    add_text(devices, "emulator", host.emulator)
    _disks(devices, spec, host)
    for nic in spec.nics:
        devices.append(_nic(nic, host))
    ET.SubElement(devices, "console", type="pty")
    ET.indent(domain)
    return ET.tostring(domain, encoding="unicode")


def links(spec: GuestSpec, host: HostProfile) -> dict[str, DiskAttachment]:
    """A short path for each disk."""
    folder = f"{host.link_dir}/{spec.guest_id.hex}"
    return {f"{folder}/{disk.device}": disk for disk in spec.disks}


def disk_xml(disk: DiskAttachment, host: HostProfile) -> str:
    return ET.tostring(_block(disk, disk.path), encoding="unicode")


def nic_xml(nic: NicSpec, host: HostProfile) -> str:
    return ET.tostring(_nic(nic, host), encoding="unicode")


def _disks(devices: ET.Element, spec: GuestSpec, host: HostProfile) -> None:
    roots = [disk for disk in spec.disks if disk.device == 0]
    if not roots:
        raise Refused(f"guest {spec.name}: a container needs a root disk")
    for link, disk in links(spec, host).items():
        if disk.is_cdrom:
            raise Refused(f"guest {spec.name}: a container has no drive for a disc")
        devices.append(_root(link) if disk.device == 0 else _block(disk, link))


def _root(path: str) -> ET.Element:
    element = ET.Element("filesystem", type="file", accessmode="passthrough")
    ET.SubElement(element, "driver", type="loop", format="raw")
    ET.SubElement(element, "source", file=path)
    ET.SubElement(element, "target", dir="/")
    return element


def _block(disk: DiskAttachment, path: str) -> ET.Element:
    if not 0 <= disk.device < DISKS_MAX:
        raise Refused(f"disk {disk.volume_id}: no device number {disk.device}")
    element = ET.Element("disk", type="file", device="disk")
    ET.SubElement(element, "driver", name="loop", type="raw")
    ET.SubElement(element, "source", file=path)
    ET.SubElement(element, "target", dev=f"vd{chr(ord('a') + disk.device)}", bus="virtio")
    if disk.read_only:
        ET.SubElement(element, "readonly")
    return element


def _nic(nic: NicSpec, host: HostProfile) -> ET.Element:
    bridge = bridge_of(nic, host)
    if not bridge:
        raise Refused(
            f"network card {nic.mac}: a container needs a bridge of its host: name it as the LXC "
            "label of the guest traffic, or set default_bridge"
        )
    element = ET.Element("interface", type="bridge")
    ET.SubElement(element, "mac", address=nic.mac)
    ET.SubElement(element, "source", bridge=bridge)
    if host.bridge_kind == "openvswitch":
        ET.SubElement(element, "virtualport", type="openvswitch")
        if nic.vlan is not None:
            ET.SubElement(ET.SubElement(element, "vlan"), "tag", id=str(nic.vlan))
    return element
