"""A virtual machine's whole life as its owner sees it through the `cs` client."""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID

import pytest
from cs import CloudStackApiException

from tests.tenant.world import (
    CUSTOM_DISK,
    GIB,
    ISOLATED,
    MAIN,
    SMALL,
    SPARE,
    TEMPLATE,
    ZONE,
    Client,
    Place,
    named,
)

DEPLOY = {"zoneid": str(ZONE), "serviceofferingid": SMALL, "templateid": TEMPLATE}


async def deploy(client: Client, **more: Any) -> Any:
    return (await client.job("deployVirtualMachine", **(DEPLOY | more)))["virtualmachine"]


async def state_of(client: Client, vm_id: str) -> str:
    return str((await client.one("listVirtualMachines", "virtualmachine", id=vm_id))["state"])


async def test_from_deploy_to_expunge(here: Place) -> None:
    ann = here.ann
    accepted = await ann("deployVirtualMachine", **DEPLOY, name="web1", displayname="Web 1")
    assert set(accepted) == {"id", "jobid"}
    vm_id = accepted["id"]
    seen = await ann.one("listVirtualMachines", "virtualmachine", id=vm_id)
    assert seen["state"] in ("Starting", "Running")
    vm = (await ann.ended(accepted["jobid"]))["virtualmachine"]
    assert (vm["id"], vm["state"], vm["name"]) == (vm_id, "Running", "web1")
    assert (vm["cpunumber"], vm["cpuspeed"], vm["memory"]) == (1, 500, 512)
    assert vm["nic"][0]["ipaddress"].startswith("10.1.1.")
    assert vm["nic"][0]["isdefault"] is True
    assert (vm["tags"], vm["affinitygroup"], vm["securitygroup"]) == ([], [], [])
    assert "hostid" not in vm and "instancename" not in vm

    by_admin = await here.admin.one("listVirtualMachines", "virtualmachine", id=vm_id)
    assert by_admin["hostname"] in ("tenant-h1", "tenant-h2")
    assert by_admin["instancename"]

    stopped = await ann.job("stopVirtualMachine", id=vm_id)
    assert stopped["virtualmachine"]["state"] == "Stopped"
    assert stopped["virtualmachine"]["nic"] == vm["nic"]
    await ann.job("startVirtualMachine", id=vm_id)
    await ann.job("rebootVirtualMachine", id=vm_id)
    assert await state_of(ann, vm_id) == "Running"

    await ann.job("destroyVirtualMachine", id=vm_id)
    assert await ann("listVirtualMachines") == {}
    assert await state_of(ann, vm_id) == "Destroyed"
    recovered = await ann("recoverVirtualMachine", id=vm_id)
    assert recovered["virtualmachine"]["state"] == "Stopped"

    await ann.job("destroyVirtualMachine", id=vm_id)
    assert await ann.job("expungeVirtualMachine", id=vm_id) == {"success": True}
    with pytest.raises(CloudStackApiException, match="entity does not exist"):
        await ann("listVirtualMachines", id=vm_id)
    assert await ann("listVolumes") == {}


async def test_hypervisors_know_a_guest_by_its_instance_name(here: Place) -> None:
    """One that runs keeps the name that it was started with."""
    vm = await deploy(here.ann)

    async def told() -> str:
        seen = await here.admin.one("listVirtualMachines", "virtualmachine", id=vm["id"])
        return str(seen["instancename"])

    def known() -> list[str]:
        world = here.controller.drivers.get("Simulator").world  # type: ignore[attr-defined]
        return [guest.name for guest in world.residue().guests]

    assert known() == [await told()] == [f"i-{UUID(vm['id']).hex[:12]}-VM"]
    rename = {"id": vm["id"], "instancename": "db_1.prod"}
    with pytest.raises(CloudStackApiException, match="stop it to change"):
        await here.admin("updateVirtualMachine", **rename)
    await here.ann.job("stopVirtualMachine", id=vm["id"])
    await here.admin("updateVirtualMachine", **rename)
    await here.ann.job("startVirtualMachine", id=vm["id"])
    assert known() == [await told()] == ["db_1.prod"]


async def test_a_guest_may_be_made_without_being_started(here: Place) -> None:
    vm = await deploy(here.ann, startvm="false", keypairs="", group="lab")
    assert (vm["state"], vm["group"]) == ("Stopped", "lab")
    assert vm["nic"][0]["ipaddress"].startswith("10.1.1.")
    started = await here.ann.job("startVirtualMachine", id=vm["id"])
    assert started["virtualmachine"]["state"] == "Running"


async def test_its_disks_are_as_large_as_asked_for(here: Place) -> None:
    vm = await deploy(here.ann, rootdisksize=5, diskofferingid=CUSTOM_DISK, size=7)
    disks = (await here.ann("listVolumes", virtualmachineid=vm["id"]))["volume"]
    sizes = {disk["type"]: (disk["size"] // GIB, disk["deviceid"]) for disk in disks}
    assert sizes == {"ROOT": (5, 0), "DATADISK": (7, 1)}
    assert {disk["state"] for disk in disks} == {"Ready"}
    root = await here.ann.one("listVolumes", "volume", type="ROOT", virtualmachineid=vm["id"])
    assert root["serviceofferingname"] == "Small Instance"
    assert "storage" not in root
    by_admin = await here.admin.one("listVolumes", "volume", id=root["id"])
    assert by_admin["storage"] == "pool"


async def test_expunging_at_once_keeps_the_data_disk(here: Place) -> None:
    vm = await deploy(here.ann, diskofferingid=CUSTOM_DISK, size=1)
    await here.ann.job("destroyVirtualMachine", id=vm["id"], expunge="true")
    left = await here.ann.one("listVolumes", "volume")
    assert (left["type"], left["state"]) == ("DATADISK", "Ready")
    assert "virtualmachineid" not in left


async def test_what_its_owner_may_change(here: Place) -> None:
    secret = base64.b64encode(b"#cloud-config\n").decode()
    vm = await deploy(here.ann, name="old", userdata=secret)
    read = await here.ann("getVirtualMachineUserData", virtualmachineid=vm["id"])
    assert read["virtualmachineuserdata"]["userdata"] == secret
    changed = await here.ann(
        "updateVirtualMachine", id=vm["id"], displayname="New", group="g",
        details={"note": "kept"},
    )  # fmt: skip
    after = changed["virtualmachine"]
    assert (after["displayname"], after["group"], after["name"]) == ("New", "g", "old")
    assert after["details"] == {"note": "kept"}
    listed = await here.ann.one("listVirtualMachines", "virtualmachine", userdata="true")
    assert listed["userdata"] == secret
    plain = await here.ann.one("listVirtualMachines", "virtualmachine")
    assert "userdata" not in plain


async def test_an_administrator_moves_it(here: Place) -> None:
    vm = await deploy(here.ann)
    before = (await here.admin.one("listVirtualMachines", "virtualmachine", id=vm["id"]))["hostid"]
    asked = {"virtualmachineid": vm["id"]}
    target, far = (await here.admin("findHostsForMigration", **asked))["host"]
    assert (target["suitableformigration"], target["id"] != before) == (True, True)
    assert (target["requiresStorageMotion"], far["requiresStorageMotion"]) == (False, True)
    for command in ("migrateVirtualMachine", "migrateVirtualMachineWithVolume"):
        with pytest.raises(CloudStackApiException, match=r"is on host .* already") as told:
            await here.admin(command, hostid=before, **asked)
        assert told.value.error["errorcode"] == 431
    moved = await here.admin.job("migrateVirtualMachine", hostid=target["id"], **asked)
    after = moved["virtualmachine"]["hostid"]
    assert after == target["id"]
    on_host = await here.admin("listVirtualMachines", hostid=after, listall="true")
    assert on_host["count"] == 1


async def test_lists_are_filtered(here: Place) -> None:
    ann, bob, admin = here.ann, here.bob, here.admin
    first = await deploy(ann, name="first")
    second = await deploy(ann, name="second", startvm="false")
    await deploy(bob, name="first")

    async def names(client: Client, **filters: Any) -> list[str]:
        answer = await client("listVirtualMachines", **filters)
        return sorted(vm["name"] for vm in answer.get("virtualmachine", ()))

    assert await names(ann) == ["first", "second"]
    assert await names(bob) == ["first"]
    assert await names(admin) == []
    assert await names(admin, listall="true") == ["first", "first", "second"]
    assert await names(admin, account="bob", domainid=str(named("domain bob"))) == ["first"]
    assert await names(ann, state="Stopped") == ["second"]
    assert await names(ann, state="present") == ["first", "second"]
    assert await names(ann, keyword="SEC") == ["second"]
    assert await names(ann, ids=[first["id"], second["id"]]) == ["first", "second"]
    assert await names(ann, networkid=first["nic"][0]["networkid"]) == ["first", "second"]
    assert await names(admin, clusterid=str(MAIN), listall="true") == ["first", "first"]
    assert await names(admin, clusterid=str(SPARE), listall="true") == []
    assert await names(admin, storageid=str(named("pool")), listall="true") == ["first", "first"]
    assert await names(ann, serviceofferingid=SMALL, templateid=TEMPLATE, haenable="true") == []
    metrics = await ann("listVirtualMachinesMetrics", page=1, pagesize=1)
    assert (metrics["count"], len(metrics["virtualmachine"])) == (2, 1)


async def test_a_dry_run_changes_nothing(here: Place) -> None:
    asked = {"name": "n", "networkofferingid": ISOLATED, "zoneid": str(ZONE)}
    network = (await here.ann("createNetwork", **asked))["network"]
    asked = DEPLOY | {"networkids": network["id"], "dryrun": "true"}
    planned = await here.ann("deployVirtualMachine", **asked)
    assert planned["dryrun"] is True
    assert "vm.created" in planned["plan"]
    assert await here.ann("listVirtualMachines") == {}


async def test_a_repeat_under_one_key_is_one_guest(here: Place) -> None:
    once = await here.ann("deployVirtualMachine", **DEPLOY, idempotencykey="k1")
    again = await here.ann("deployVirtualMachine", **DEPLOY, idempotencykey="k1")
    assert once == again
    await here.ann.ended(once["jobid"])
    assert (await here.ann("listVirtualMachines"))["count"] == 1


async def test_a_simulated_guest_has_no_screen(here: Place) -> None:
    vm = await deploy(here.ann)
    answer = await here.ann("createConsoleEndpoint", virtualmachineid=vm["id"])
    assert answer["consoleendpoint"]["success"] is False
