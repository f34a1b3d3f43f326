"""Why a guest is placed where it is: dedications, affinity, thresholds and pools have their say."""

from __future__ import annotations

from typing import Any

import pytest
from cs import CloudStackApiException

from tests.operate.test_settings import change
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import MAIN, SMALL, TEMPLATE, ZONE, Place, named

ASK = {"zoneid": str(ZONE), "serviceofferingid": SMALL, "templateid": TEMPLATE}


async def explained(here: Place, **asked: Any) -> dict[str, Any]:
    return dict((await here.admin("explainPlacement", **asked))["placement"])


def rules(found: dict[str, Any]) -> dict[str, str]:
    return {one["hostname"]: one["rule"] for one in found["host"]}


async def test_what_is_kept_for_others_is_closed(here: Place) -> None:
    bobs = str(named("domain bob"))
    await here.admin.job("dedicateHost", hostid=str(named("host 1")), domainid=bobs)
    ann = here.account("ann")
    found = await explained(here, **ASK, accountid=ann)
    assert rules(found)["tenant-h1"] == "kept for others"
    assert found["hostname"] == "tenant-h2"
    his = await explained(here, **ASK, accountid=here.account("bob"))
    assert his["hostname"] == "tenant-h1", "his own hosts come first"
    await here.admin.job("dedicateZone", zoneid=str(ZONE), domainid=bobs)
    found = await explained(here, **ASK, accountid=ann)
    assert (found["suitable"], found["reasons"]) == (False, ["zone z1 is dedicated to others"])


async def test_a_guest_that_exists_is_explained_as_it_is(here: Place) -> None:
    group = (await here.ann.job("createAffinityGroup", name="apart", type="host anti-affinity"))[
        "affinitygroup"
    ]["id"]
    first = await deploy(here.ann, affinitygroupids=group)
    second = await deploy(here.ann, affinitygroupids=group)
    homes = {}
    for vm in (first, second):
        seen = await here.admin.one("listVirtualMachines", "virtualmachine", id=vm["id"])
        homes[vm["id"]] = seen["hostname"]
    found = await explained(here, virtualmachineid=first["id"])
    assert found["hostname"] == homes[first["id"]]
    assert rules(found) == {homes[second["id"]]: "avoided"}
    assert found["counts"]["elsewhere"] == 1, "its disks are out of reach of the spare cluster"
    with pytest.raises(CloudStackApiException, match="follows from virtualmachineid"):
        await explained(here, virtualmachineid=first["id"], serviceofferingid=SMALL)
    with pytest.raises(CloudStackApiException, match="zoneid"):
        await explained(here, serviceofferingid=SMALL)


async def test_thresholds_have_their_say(here: Place) -> None:
    name = "cluster.memory.allocated.capacity.disablethreshold"
    await change(here.admin, name, "0.001", clusterid=str(MAIN))
    found = await explained(here, **ASK)
    assert rules(found)["tenant-h1"] == "in a full cluster" and not found["suitable"]
    assert found["reasons"] == ["cluster main is promised to its disable threshold"]
    await here.admin("resetConfiguration", name=name, clusterid=str(MAIN))
    assert (await explained(here, **ASK))["pool"] == []
    found = await explained(here, **ASK, rootdisksize=1800)
    assert [(one["poolname"], one["rule"]) for one in found["pool"]] == [("pool", "nearly full")]
    assert not found["suitable"]
