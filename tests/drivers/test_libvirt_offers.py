"""What a host has not got is refused before anything starts, with what would have to be there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drivers.contract.errors import Refused
from drivers.contract.hardware import Hardware
from drivers.libvirt.offers import Offers, check_offers, cores_of, read_offers
from tests.drivers.test_libvirt_translate import SMALL

HOST = """<capabilities><host>
  <iommu support='{iommu}'/>
  <topology><cells num='2'>
    <cell id='0'><pages unit='KiB' size='4'>9</pages><pages unit='KiB' size='2048'>40</pages></cell>
    <cell id='1'><pages unit='KiB' size='2048'>40</pages></cell>
  </cells></topology></host></capabilities>"""
DOMAIN = """<domainCapabilities>
  <os supported='yes'><enum name='firmware'>{firmware}</enum>
    <loader supported='yes'><enum name='secure'><value>no</value>{secure}</enum></loader></os>
  <cpu><mode name='host-passthrough' supported='no'/><mode name='host-model' supported='yes'/>
    <mode name='custom' supported='yes'><model usable='yes'>Westmere</model>
      <model usable='no'>EPYC</model></mode></cpu>
  <devices><tpm supported='{tpm}'><enum name='backendModel'><value>emulator</value></enum>
    <enum name='backendVersion'><value>2.0</value></enum></tpm></devices></domainCapabilities>"""


def offers(*, rich: bool, accelerated: bool = True) -> Offers:
    efi, secure = ("<value>efi</value>", "<value>yes</value>") if rich else ("", "")
    host = HOST.format(iommu="yes" if rich else "no")
    domain = DOMAIN.format(firmware=efi, secure=secure, tpm="yes" if rich else "no")
    return read_offers(host, domain, accelerated=accelerated, cpu_count=8)


ASKED = {
    "uefi-secure": replace(SMALL, boot="uefi-secure"),
    "no TPM 2.0": replace(SMALL, hardware=Hardware(tpm="2.0")),
    "no IOMMU": replace(SMALL, hardware=Hardware(pci_devices=("0000:01:00.0",))),
}


@pytest.mark.parametrize("why", ASKED)
def test_a_poor_host_says_what_it_lacks(why: str) -> None:
    with pytest.raises(Refused, match=why):
        check_offers(ASKED[why], offers(rich=False), where="h1")
    check_offers(ASKED[why], offers(rich=True), where="h1")


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (Hardware(cpu_mode="host-passthrough"), "cannot show a guest host-passthrough"),
        (Hardware(cpu_mode="hypnosis"), "no CPU mode"),
        (Hardware(cpu_mode="custom"), "needs the name"),
        (Hardware(cpu_model="EPYC"), "cannot show a guest a CPU 'EPYC'"),
        (Hardware(cpu_model="z80"), "cannot show a guest a CPU 'z80'"),
        (Hardware(cpu_pins=("0", "2-8")), "no 8"),
        (Hardware(huge_page_kib=2048), "80 pages of 2048 KiB"),
        (Hardware(huge_page_kib=1048576), "0 pages of 1048576 KiB"),
    ],
)
def test_what_no_host_like_this_gives(asked: Hardware, why: str) -> None:
    with pytest.raises(Refused, match=why):
        spec = replace(SMALL, memory_mib=161, hardware=asked)
        check_offers(spec, offers(rich=True), where="h1")


def test_what_it_gives_is_not_refused() -> None:
    asked = Hardware(cpu_model="Westmere", cpu_pins=("0-3", "7"), huge_page_kib=2048)
    check_offers(replace(SMALL, memory_mib=160, hardware=asked), offers(rich=True), where="h1")


def test_emulated_cores_are_tied_to_nothing() -> None:
    with pytest.raises(Refused, match="needs KVM"):
        spec = replace(SMALL, hardware=Hardware(cpu_pins=("0",)))
        check_offers(spec, offers(rich=True, accelerated=False), where="h1")


@pytest.mark.parametrize("pin", ["", "a", "1-", "-1", "1;2", "3-1"])
def test_no_cores(pin: str) -> None:
    with pytest.raises(Refused, match="names no cores"):
        cores_of(pin)
