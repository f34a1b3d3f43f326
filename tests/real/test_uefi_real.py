"""A guest deployed through the API that boots by UEFI and has a TPM; both go with its root disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from cs import CloudStackApiException

from tests.guest import efi
from tests.guest.tiny import absent, image
from tests.real.test_quickstart import First, first, until

__all__ = ["first"]

DRIVERS = ("libvirt",)
pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def template(first: First) -> Iterator[dict[str, Any]]:
    """The tiny guest with a start-up script for UEFI's shell, registered as a template."""
    if lacking := efi.lacking("swtpm", "swtpm_setup"):
        absent(f"there is no {lacking}")
    api, guest = first.api, first.api.one("listVirtualMachines", "virtualmachine", name="first")
    disk = efi.efi_disk(image(), first.server.home)
    os_type = api("listOsTypes", description="Other Linux (64-bit)")["ostype"][0]["id"]
    made = api(
        "registerTemplate", name="efi", displaytext="efi", format="QCOW2", hypervisor="KVM",
        url=disk.as_uri(), zoneid=guest["zoneid"], ostypeid=os_type,
    )["template"][0]  # fmt: skip

    def ready() -> bool:
        found = api.one("listTemplates", "template", id=made["id"], templatefilter="all")
        return bool(found["isready"])

    until(ready, "the template is ready")
    yield made | {"first": guest}


def kept(first: First) -> set[str]:
    return {one.suffix for one in (first.server.home / "pool" / ".firmware").glob("*")}


def test_a_guest_boots_by_uefi_with_a_tpm(first: First, template: dict[str, Any]) -> None:
    api, like = first.api, template["first"]
    offering = api(
        "createServiceOffering", name="efi", displaytext="efi", cpunumber=1, cpuspeed=500,
        memory=efi.MEMORY_MIB, **{"serviceofferingdetails[0].virtual.tpm.enabled": "true"},
    )["serviceoffering"]  # fmt: skip
    vm = api(
        "deployVirtualMachine", name="efi", zoneid=like["zoneid"], templateid=template["id"],
        serviceofferingid=offering["id"], boottype="UEFI", bootmode="LEGACY",
        **{"details[0].guest.cpu.model": "Westmere"},
    )["virtualmachine"]  # fmt: skip
    until(lambda: first.boots(vm["id"]) > 0, "it boots by UEFI")
    root = ET.fromstring(first.domain(vm["id"]).XMLDesc())
    assert root.findtext("os/nvram", "").startswith(f"{first.server.home}/pool/.firmware/")
    assert root.findtext("cpu/model") == "Westmere"
    assert root.find("devices/tpm/backend[@version='2.0']") is not None
    until(lambda: kept(first) == {".fd", ".tpm"}, "both are kept with the root disk")
    api("stopVirtualMachine", id=vm["id"], forced=True)
    assert kept(first) == {".fd", ".tpm"}
    states = Path(first.host.root) / "lib" / "swtpm" / vm["id"]
    assert not states.exists(), "nothing of it is left on the host"
    api("startVirtualMachine", id=vm["id"])
    until(lambda: first.boots(vm["id"]) > 0, "it boots again")
    api("destroyVirtualMachine", id=vm["id"], expunge=True)
    assert kept(first) == set() and not states.exists()


def test_what_the_host_has_not_is_refused(first: First, template: dict[str, Any]) -> None:
    """The guest is not there afterwards, and the reason says what would have to be."""
    api, like = first.api, template["first"]
    before = first.disks()
    asked = {"guest.memory.pagesize": ("2048", "pages of 2048 KiB"),
             "guest.cpu.pins": ("0;1", "needs KVM"),
             "guest.pci.devices": ("0000:01:00.0", "IOMMU")}  # fmt: skip
    for name, (value, why) in asked.items():
        offering = api(
            "createServiceOffering", name=name, displaytext=name, cpunumber=1, cpuspeed=500,
            memory=128, **{f"serviceofferingdetails[0].{name}": value},
        )["serviceoffering"]  # fmt: skip
        with pytest.raises(CloudStackApiException, match=why):
            api(
                "deployVirtualMachine", name="no", zoneid=like["zoneid"], templateid=like[
                    "templateid"
                ], serviceofferingid=offering["id"],
            )  # fmt: skip
    assert not api("listVirtualMachines", name="no").get("virtualmachine")
    assert first.disks() == before
