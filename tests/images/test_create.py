"""Templates made of disks: of a stopped guest's, and of snapshots."""

from __future__ import annotations

import pytest
from cs import CloudStackException

from engine.genesis import stable_id
from tests.tenant.world import SMALL, TEMPLATE, ZONE, Place

LINUX = str(stable_id("os_type", "Other Linux (64-bit)"))
ASK = {"zoneid": str(ZONE), "serviceofferingid": SMALL}


async def test_a_guest_becomes_a_template_and_a_template_guests(here: Place) -> None:
    vm = (await here.ann.job("deployVirtualMachine", templateid=TEMPLATE, **ASK))["virtualmachine"]
    root = await here.ann.one("listVolumes", "volume", virtualmachineid=vm["id"])
    wanted = {"name": "golden", "displaytext": "golden", "ostypeid": LINUX}
    with pytest.raises(CloudStackException, match="stop it first"):
        await here.ann("createTemplate", volumeid=root["id"], **wanted)
    await here.ann.job("stopVirtualMachine", id=vm["id"])
    with pytest.raises(CloudStackException, match="entity does not exist"):
        await here.bob("createTemplate", volumeid=root["id"], **wanted)
    done = await here.ann.job("createTemplate", volumeid=root["id"], **wanted)
    made = done["template"]
    assert made["isready"] and made["zonename"] == "z1" and made["format"] == "QCOW2"
    assert made["sourcetemplateid"] == root["id"] and made["size"] == root["size"]
    assert made["account"] == "ann" and made["ispublic"] is False
    again = await here.ann.job("deployVirtualMachine", templateid=made["id"], **ASK)
    assert again["virtualmachine"]["templatename"] == "golden"
    await here.ann.job("startVirtualMachine", id=vm["id"])
    await here.ann.job("deleteTemplate", id=made["id"])


async def test_a_snapshot_becomes_a_template(here: Place) -> None:
    vm = (await here.ann.job("deployVirtualMachine", templateid=TEMPLATE, **ASK))["virtualmachine"]
    root = await here.ann.one("listVolumes", "volume", virtualmachineid=vm["id"])
    snapshot = (await here.ann.job("createSnapshot", volumeid=root["id"]))["snapshot"]
    done = await here.ann.job(
        "createTemplate", snapshotid=snapshot["id"], name="kept", ostypeid=LINUX
    )
    assert done["template"]["isready"], "a guest may run while its snapshot is read"


async def test_what_a_template_is_not_made_of(here: Place) -> None:
    vm = (await here.ann.job("deployVirtualMachine", templateid=TEMPLATE, **ASK))["virtualmachine"]
    for wrong in ({}, {"virtualmachineid": vm["id"]}, {"url": "http://192.0.2.1/x"}):
        with pytest.raises(CloudStackException, match="volumeid"):
            await here.ann("createTemplate", name="t", ostypeid=LINUX, **wrong)


async def test_a_template_is_brought_to_pools(here: Place) -> None:
    listed = await here.admin("prepareTemplate", templateid=TEMPLATE, zoneid=str(ZONE))
    assert [one["zonename"] for one in listed["template"]] == ["z1"]
    with pytest.raises(CloudStackException, match="not available"):
        await here.ann("prepareTemplate", templateid=TEMPLATE, zoneid=str(ZONE))
