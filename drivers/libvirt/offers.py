"""Pure: what a host offers beyond cores and memory, and why a guest that wants more is refused.

Read from libvirt's capabilities of the host and of its emulator
(https://libvirt.org/formatdomaincaps.html).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from drivers.contract.compute import GuestSpec
from drivers.contract.errors import Refused

SMALL_PAGE_KIB = 4
MODES = ("host-model", "host-passthrough", "custom")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """`huge_pages` are how many of each size, in KiB, the host has set aside."""

    boots: frozenset[str] = frozenset({"bios"})
    cpu_modes: frozenset[str] = frozenset()
    cpu_models: frozenset[str] = frozenset()
    tpms: frozenset[str] = frozenset()
    huge_pages: Mapping[int, int] = field(default_factory=dict)
    pins: bool = False
    iommu: bool = False
    cpu_count: int = 0


def read_offers(host_xml: str, domain_xml: str, *, accelerated: bool, cpu_count: int) -> Offers:
    """`domain_xml` are the capabilities of the emulator, for guests of the kind that we run."""
    host, domain = ET.fromstring(host_xml), ET.fromstring(domain_xml)
    pages: dict[int, int] = {}
    for one in host.findall("host/topology/cells/cell/pages"):
        size_kib = int(one.get("size", "0"))
        if size_kib > SMALL_PAGE_KIB:
            pages[size_kib] = pages.get(size_kib, 0) + int(one.text or "0")
    modes = domain.findall("cpu/mode[@supported='yes']")
    iommu = host.find("host/iommu")
    return Offers(
        boots=frozenset(_boots(domain)),
        cpu_modes=frozenset(mode.get("name", "") for mode in modes),
        cpu_models=frozenset(
            one.text or "" for one in domain.findall("cpu/mode[@name='custom']/model")
            if one.get("usable") != "no"
        ),
        tpms=frozenset(_tpms(domain)),
        huge_pages=pages,
        pins=accelerated,
        iommu=iommu is not None and iommu.get("support") == "yes",
        cpu_count=cpu_count,
    )  # fmt: skip


def _boots(domain: ET.Element) -> Iterator[str]:
    yield "bios"
    if "efi" in _values(domain, "os/enum[@name='firmware']"):
        yield "uefi"
        if "yes" in _values(domain, "os/loader/enum[@name='secure']"):
            yield "uefi-secure"


def _tpms(domain: ET.Element) -> Iterator[str]:
    if "emulator" in _values(domain, "devices/tpm[@supported='yes']/enum[@name='backendModel']"):
        yield from _values(domain, "devices/tpm/enum[@name='backendVersion']")


def _values(domain: ET.Element, path: str) -> set[str]:
    return {value.text or "" for value in domain.findall(f"{path}/value")}


def check_offers(spec: GuestSpec, offers: Offers, *, where: str) -> None:
    """Refuse what the host has not got, with what would have to be there."""
    for why in _lacking(spec, offers):
        raise Refused(f"guest {spec.name}: host {where} {why}")


def _lacking(spec: GuestSpec, offers: Offers) -> Iterator[str]:
    asked = spec.hardware
    if spec.boot not in offers.boots:
        has = ", ".join(sorted(offers.boots))
        yield f"has no firmware for {spec.boot!r}, only {has}: install OVMF there"
    if asked.tpm and asked.tpm not in offers.tpms:
        yield f"emulates no TPM {asked.tpm}: install swtpm and swtpm-tools there"
    if asked.cpu_mode and asked.cpu_mode not in MODES:
        yield f"knows no CPU mode {asked.cpu_mode!r}: it can be {', '.join(MODES)}"
    elif asked.cpu_mode and asked.cpu_mode not in offers.cpu_modes:
        yield f"cannot show a guest {asked.cpu_mode}: its guests are emulated, or their CPU is"
    if asked.cpu_mode == "custom" and not asked.cpu_model:
        yield "needs the name of a CPU model for the mode custom"
    if asked.cpu_model and asked.cpu_model not in offers.cpu_models:
        yield f"cannot show a guest a CPU {asked.cpu_model!r}: see virsh domcapabilities there"
    if asked.cpu_pins and not offers.pins:
        yield "emulates its guests, whose cores cannot be tied to its own: it needs KVM"
    highest = max((core for pin in asked.cpu_pins for core in cores_of(pin)), default=0)
    if asked.cpu_pins and highest >= offers.cpu_count:
        yield f"has cores 0 to {offers.cpu_count - 1}, and no {highest}"
    if size := asked.huge_page_kib:
        have = offers.huge_pages.get(size, 0)
        if have * size < spec.memory_mib * 1024:
            yield f"has {have} pages of {size} KiB set aside, too few for {spec.memory_mib} MiB"
    if asked.pci_devices and not offers.iommu:
        yield "has no IOMMU in use, so that no device of it can be a guest's: see intel_iommu=on"


def cores_of(pin: str) -> set[int]:
    """The cores that `2-3,7` names. Refused: it names none."""
    cores: set[int] = set()
    for part in pin.split(","):
        first, dash, last = part.partition("-")
        if not (first.isdecimal() and (last.isdecimal() if dash else True)):
            break
        cores.update(found := range(int(first), int(last or first) + 1))
        if not found:
            break
    else:
        return cores
    raise Refused(f"{pin!r} names no cores of a host: say it as in 2-3,7")
