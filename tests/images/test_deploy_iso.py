"""A guest is installed from an ISO: onto a blank disk, with the disc in its drive."""

from __future__ import annotations

import pytest
from cs import CloudStackException

from tests.images.test_isos import drive, iso
from tests.tenant.world import CUSTOM_DISK, GIB, SMALL, SMALL_DISK, ZONE, Place

ASK = {"zoneid": str(ZONE), "serviceofferingid": SMALL}


async def test_a_guest_is_installed_from_a_disc(here: Place) -> None:
    disc = await iso(here)
    ask = ASK | {"templateid": disc, "hypervisor": "simulator"}
    vm = (await here.ann.job("deployVirtualMachine", **ask, diskofferingid=CUSTOM_DISK, size=7))[
        "virtualmachine"
    ]
    assert (vm["state"], vm["hypervisor"], vm["isoid"]) == ("Running", "Simulator", disc)
    assert (vm["templateid"], vm["templateformat"]) == (disc, "ISO")
    (root,) = (await here.ann("listVolumes", virtualmachineid=vm["id"]))["volume"]
    assert (root["type"], root["size"]) == ("ROOT", 7 * GIB)
    assert await drive(here, vm["id"]) == [disc]
    found = await here.ann.one("listVirtualMachines", "virtualmachine", isoid=disc)
    assert found["id"] == vm["id"]
    with pytest.raises(CloudStackException, match="detach it first"):
        await here.ann.job("deleteIso", id=disc)
    await here.ann.job("detachIso", virtualmachineid=vm["id"])
    assert await drive(here, vm["id"]) == []
    with pytest.raises(CloudStackException, match="no template any more"):
        await here.ann.job("restoreVirtualMachine", virtualmachineid=vm["id"])


async def test_what_an_installation_needs_said(here: Place) -> None:
    disc = await iso(here)
    for more, words in (
        ({"diskofferingid": SMALL_DISK}, "missing parameter hypervisor"),
        ({"hypervisor": "Simulator"}, "missing parameter diskofferingid"),
        ({"hypervisor": "KVM", "diskofferingid": SMALL_DISK}, "no host of hypervisor KVM"),
    ):
        with pytest.raises(CloudStackException, match=words):
            await here.ann("deployVirtualMachine", **ASK, templateid=disc, **more)
    with pytest.raises(CloudStackException, match="does not exist"):
        await here.bob("deployVirtualMachine", **ASK, templateid=disc, hypervisor="Simulator")
    unbootable = await iso(here, name="drivers", bootable="false")
    with pytest.raises(CloudStackException, match="is not bootable"):
        await here.ann(
            "deployVirtualMachine", **ASK, templateid=unbootable, hypervisor="Simulator",
            rootdisksize=5,
        )  # fmt: skip


async def test_a_blank_disk_by_its_size_alone(here: Place) -> None:
    disc = await iso(here)
    vm = (
        await here.ann.job(
            "deployVirtualMachine", **ASK, templateid=disc, hypervisor="Simulator",
            rootdisksize=6, startvm="false",
        )
    )["virtualmachine"]  # fmt: skip
    (root,) = (await here.ann("listVolumes", virtualmachineid=vm["id"]))["volume"]
    assert (root["size"], vm["state"]) == (6 * GIB, "Stopped")
    started = await here.ann.job("startVirtualMachine", id=vm["id"])
    assert started["virtualmachine"]["isoid"] == disc
