"""What a guest is given of its machine beyond cores and memory: details say it.

A processor's model and a TPM are the guest's own choice, by the names that CloudStack has for them
(`guest.cpu.mode`, `guest.cpu.model`, `virtual.tpm.enabled`, `virtual.tpm.version`). What takes
something from a host (its cores, large pages, devices) is the choice of whoever makes offerings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from aggregates.errors import Invalid
from aggregates.vm import Vm
from drivers.contract.hardware import Hardware
from projections.cloud import Cloud
from projections.service_offering import service_offerings

CPU_MODE, CPU_MODEL = "guest.cpu.mode", "guest.cpu.model"
TPM, TPM_VERSION = "virtual.tpm.enabled", "virtual.tpm.version"
PINS, PAGES, DEVICES = "guest.cpu.pins", "guest.memory.pagesize", "guest.pci.devices"
OFFERED_ONLY = (PINS, PAGES, DEVICES)
CPU_MODES = ("host-model", "host-passthrough", "custom")
TPM_VERSIONS = ("1.2", "2.0")
_CORES = re.compile(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DEVICE = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")


def hardware_of(cloud: Cloud, vm: Vm) -> Hardware:
    offering = cloud[service_offerings].get(vm.service_offering_id)
    offered = {} if offering is None else offering.details
    if not offered and not vm.details:
        return PLAIN
    own = {name: value for name, value in vm.details.items() if name.lower() not in OFFERED_ONLY}
    return hardware(offered, own)


def hardware(offered: Mapping[str, str], own: Mapping[str, str]) -> Hardware:
    """What these details say. Invalid: one that says nothing we know, or is not for the guest."""
    if not offered and not own:
        return PLAIN
    own = {name.lower(): value.strip() for name, value in own.items()}
    if taken := next((name for name in OFFERED_ONLY if own.get(name)), ""):
        raise Invalid(f"{taken} is a detail of a service offering alone: leave it out")
    said = {name.lower(): value.strip() for name, value in offered.items()} | own
    model, mode = said.get(CPU_MODEL, ""), said.get(CPU_MODE, "")
    _one_of(CPU_MODE, mode, CPU_MODES)
    if model and (not _MODEL.fullmatch(model) or mode not in ("", "custom")):
        raise Invalid(f"{CPU_MODEL}={model!r} is a name, and goes with {CPU_MODE}=custom")
    if mode == "custom" and not model:
        raise Invalid(f"{CPU_MODE}=custom needs {CPU_MODEL}: say which")
    return Hardware(
        cpu_mode=mode,
        cpu_model=model,
        cpu_pins=_all(PINS, said.get(PINS, ""), ";", _CORES, "0-1;2"),
        huge_page_kib=_kib(said.get(PAGES, "")),
        pci_devices=_all(DEVICES, said.get(DEVICES, "").lower(), ",", _DEVICE, "0000:01:00.0"),
        tpm=_tpm(said),
    )


def _tpm(said: Mapping[str, str]) -> str:
    version = said.get(TPM_VERSION, "")
    _one_of(TPM_VERSION, version, TPM_VERSIONS)
    is_on = said.get(TPM, "").lower()
    _one_of(TPM, is_on, ("true", "false"))
    return (version or "2.0") if is_on == "true" else ""


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value and value not in choices:
        raise Invalid(f"{name} is {value!r}: it can be {', '.join(choices)}")


def _all(name: str, value: str, mark: str, form: re.Pattern[str], like: str) -> tuple[str, ...]:
    """The parts of a value, each in its form."""
    parts = tuple(part.strip() for part in value.split(mark) if part.strip())
    for part in parts:
        if not form.fullmatch(part):
            raise Invalid(f"{name} is {value!r}: say it as in {like}")
    return parts


def _kib(value: str) -> int:
    """Pages are named by their size in KiB: 2048, or 1048576."""
    if value and not value.isdecimal():
        raise Invalid(f"{PAGES} is {value!r}: say the size of a page in KiB, such as 2048")
    return int(value or 0)


# Of most guests nothing is said.
PLAIN = Hardware()
