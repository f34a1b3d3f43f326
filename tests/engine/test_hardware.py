"""Details of an offering and of a guest, as what a driver is told of its hardware."""

from __future__ import annotations

import pytest

from aggregates.errors import Invalid
from drivers.contract.hardware import Hardware
from engine.hardware import hardware


def test_nothing_said_is_nothing_asked() -> None:
    assert hardware({}, {"keyboard": "de", "rootDiskController": "scsi"}) == Hardware()


def test_an_offering_says_what_it_takes_of_a_host() -> None:
    offered = {
        "guest.cpu.pins": "0-1; 2",
        "guest.memory.pagesize": "2048",
        "guest.pci.devices": "0000:3B:00.1",
        "virtual.tpm.enabled": "TRUE",
        "virtual.tpm.version": "1.2",
    }
    told = hardware(offered, {"guest.cpu.mode": "host-passthrough"})
    assert told == Hardware(
        cpu_mode="host-passthrough",
        cpu_pins=("0-1", "2"),
        huge_page_kib=2048,
        pci_devices=("0000:3b:00.1",),
        tpm="1.2",
    )
    assert told.stays


def test_a_guest_has_the_last_word_on_what_it_sees() -> None:
    offered = {"virtual.tpm.enabled": "true", "guest.cpu.model": "Westmere"}
    told = hardware(offered, {"virtual.tpm.enabled": "false", "guest.cpu.model": "EPYC"})
    assert told == Hardware(cpu_model="EPYC")


@pytest.mark.parametrize("name", ["guest.cpu.pins", "guest.memory.pagesize", "Guest.PCI.devices"])
def test_a_guest_takes_nothing_of_a_host_by_itself(name: str) -> None:
    with pytest.raises(Invalid, match="service offering alone"):
        hardware({}, {name: "1"})


@pytest.mark.parametrize(
    "offered",
    [
        {"guest.cpu.mode": "fast"},
        {"guest.cpu.mode": "custom"},
        {"guest.cpu.model": "<x/>"},
        {"guest.cpu.model": "EPYC", "guest.cpu.mode": "host-model"},
        {"guest.cpu.pins": "0-"},
        {"guest.cpu.pins": "0 1"},
        {"guest.memory.pagesize": "2M"},
        {"guest.pci.devices": "01:00.0"},
        {"virtual.tpm.enabled": "perhaps"},
        {"virtual.tpm.version": "3"},
    ],
)
def test_what_says_nothing_we_know_is_invalid(offered: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        hardware(offered, {})
