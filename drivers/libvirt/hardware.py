"""Pure: a guest's firmware, processor, memory pages, TPM and devices of its own, in domain XML."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from drivers.contract.compute import GuestSpec
from drivers.contract.errors import Refused
from drivers.libvirt.profile import HostProfile

KEPT = ".firmware"
_PCI = re.compile(r"^([0-9a-f]{4}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$")


def kept_beside(disk_path: str, suffix: str) -> str:
    """Where what belongs to a root disk is kept: in a folder of its pool, by the disk's name."""
    folder, _, name = disk_path.rpartition("/")
    return f"{folder}/{KEPT}/{name.rpartition('.')[0]}.{suffix}"


def root_path(spec: GuestSpec) -> str:
    for disk in spec.disks:
        if disk.device == 0 and not disk.is_cdrom:
            return disk.path
    return ""


def nvram_path(spec: GuestSpec) -> str:
    """Where its firmware keeps its settings; empty for a BIOS, which keeps none."""
    if spec.boot == "bios":
        return ""
    if not (root := root_path(spec)):
        raise Refused(f"guest {spec.name}: {spec.boot} needs a root disk to keep its settings with")
    return kept_beside(root, "fd")


def needs_memory(spec: GuestSpec) -> bool:
    """Whether its firmware or TPM keeps anything from one start to the next."""
    return spec.boot != "bios" or bool(spec.hardware.tpm)


def system(spec: GuestSpec) -> ET.Element:
    """The firmware is chosen by libvirt among those that the host has."""
    element = ET.Element("os")
    ET.SubElement(element, "type", arch="x86_64", machine="q35").text = "hvm"
    if nvram := nvram_path(spec):
        element.set("firmware", "efi")
        secure = "yes" if spec.boot == "uefi-secure" else "no"
        firmware = ET.SubElement(element, "firmware")
        ET.SubElement(firmware, "feature", enabled=secure, name="secure-boot")
        ET.SubElement(firmware, "feature", enabled=secure, name="enrolled-keys")
        ET.SubElement(element, "nvram").text = nvram
    for device in ("hd", "cdrom"):
        ET.SubElement(element, "boot", dev=device)
    return element


def features(spec: GuestSpec) -> ET.Element:
    """Secure boot needs a mode of the processor that only firmware can enter."""
    element = ET.Element("features")
    for feature in ("acpi", "apic"):
        ET.SubElement(element, feature)
    if spec.boot == "uefi-secure":
        ET.SubElement(element, "smm", state="on")
    return element


def cpu(spec: GuestSpec, host: HostProfile) -> ET.Element:
    """KVM shows the host's own model; emulation one that any host can take over alive.

    Memory that is plugged in later needs a NUMA cell to belong to.
    """
    asked = spec.hardware
    mode = asked.cpu_mode or ("custom" if asked.cpu_model else "")
    if mode == "host-passthrough":
        element = ET.Element("cpu", mode=mode, check="none")
    elif mode == "host-model" or (not mode and host.accelerated):
        element = ET.Element("cpu", mode="host-model", check="partial")
    else:
        check = "partial" if host.accelerated else "none"
        element = ET.Element("cpu", mode="custom", match="exact", check=check)
        ET.SubElement(element, "model", fallback="forbid").text = asked.cpu_model or "qemu64"
    if spec.memory_max_mib > spec.memory_mib:
        cores = max(spec.cpu_max, spec.cpu_count)
        cell = {"id": "0", "cpus": f"0-{cores - 1}", "memory": str(spec.memory_mib), "unit": "MiB"}
        ET.SubElement(ET.SubElement(element, "numa"), "cell", cell)
    return element


def pins(spec: GuestSpec) -> list[ET.Element]:
    """One for each core that the guest may ever have; the last that was named stands for more."""
    named = spec.hardware.cpu_pins
    cores = max(spec.cpu_max, spec.cpu_count) if named else 0
    return [
        ET.Element("vcpupin", vcpu=str(core), cpuset=named[min(core, len(named) - 1)])
        for core in range(cores)
    ]


def memory_backing(spec: GuestSpec) -> ET.Element | None:
    if not spec.hardware.huge_page_kib:
        return None
    element = ET.Element("memoryBacking")
    size = str(spec.hardware.huge_page_kib)
    ET.SubElement(ET.SubElement(element, "hugepages"), "page", size=size, unit="KiB")
    return element


def tpm(spec: GuestSpec) -> ET.Element | None:
    """An emulated one, whose state outlives the domain: it is kept with the root disk."""
    if not spec.hardware.tpm:
        return None
    if not root_path(spec):
        raise Refused(f"guest {spec.name}: a TPM needs a root disk to keep its secrets with")
    model = "tpm-crb" if spec.hardware.tpm == "2.0" else "tpm-tis"
    element = ET.Element("tpm", model=model)
    backend = {"type": "emulator", "version": spec.hardware.tpm, "persistent_state": "yes"}
    ET.SubElement(element, "backend", backend)
    return element


def host_devices(spec: GuestSpec) -> list[ET.Element]:
    """libvirt takes each from its driver on the host while the guest has it, and gives it back."""
    elements = []
    for address in spec.hardware.pci_devices:
        if (parts := _PCI.match(address.lower())) is None:
            raise Refused(f"{address!r} is no PCI device: say it as in 0000:01:00.0")
        element = ET.Element("hostdev", mode="subsystem", type="pci", managed="yes")
        names = ("domain", "bus", "slot", "function")
        where = {name: f"0x{part}" for name, part in zip(names, parts.groups(), strict=True)}
        ET.SubElement(ET.SubElement(element, "source"), "address", where)
        elements.append(element)
    return elements
