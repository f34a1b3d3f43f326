"""A guest is made in every form that a caller may ask for, and is then what was asked for."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
from cs import CloudStackApiException

from engine.chores.lease import end_leases
from projections.vm import vms
from projections.volume import volumes
from tests.tenant.test_refusals import refusal
from tests.tenant.test_vm_life import DEPLOY, deploy, state_of
from tests.tenant.world import CUSTOM_DISK, GIB, ISOLATED, SMALL_DISK, TEMPLATE, ZONE, Place, named

DAY_MS = 86_400_000


async def test_several_data_disks_each_in_its_slot(here: Place) -> None:
    wanted = [
        {"diskofferingid": CUSTOM_DISK, "size": "7", "deviceid": "4"},
        {"diskofferingid": SMALL_DISK},
    ]
    vm = await deploy(here.ann, startvm="false", datadisksdetails=wanted)
    listed = (await here.ann("listVolumes", virtualmachineid=vm["id"], type="DATADISK"))["volume"]
    assert {(one["deviceid"], one["size"]) for one in listed} == {(4, 7 * GIB), (1, 5 * GIB)}
    twice = [wanted[0], wanted[0]]
    with pytest.raises(CloudStackApiException, match="one deviceid twice"):
        await deploy(here.ann, datadisksdetails=twice)
    kept = [{"diskofferingid": SMALL_DISK, "deviceid": "3"}]
    with pytest.raises(CloudStackApiException, match="no device 3"):
        await deploy(here.ann, datadisksdetails=kept)


async def test_a_volume_becomes_the_root_disk(here: Place) -> None:
    ann = here.ann
    first = await deploy(ann)
    made = (await ann.job("createVolume", zoneid=str(ZONE), name="old root",
                          diskofferingid=SMALL_DISK))["volume"]  # fmt: skip
    with pytest.raises(CloudStackApiException, match="on no storage yet"):
        await deploy(ann, templateid="", volumeid=made["id"])
    await ann.job("attachVolume", id=made["id"], virtualmachineid=first["id"])
    ask = {"zoneid": str(ZONE), "serviceofferingid": DEPLOY["serviceofferingid"]}
    with pytest.raises(CloudStackApiException, match="is attached to"):
        await ann.job("deployVirtualMachine", **ask, volumeid=made["id"], hypervisor="Simulator")
    await ann.job("detachVolume", id=made["id"])
    with pytest.raises(CloudStackApiException, match="exclude each other"):
        await ann.job("deployVirtualMachine", **DEPLOY, volumeid=made["id"])
    vm = (
        await ann.job("deployVirtualMachine", **ask, volumeid=made["id"], hypervisor="Simulator")
    )["virtualmachine"]
    assert vm["state"] == "Running" and "templateid" not in vm
    root = (await ann("listVolumes", virtualmachineid=vm["id"]))["volume"]
    assert [(one["id"], one["type"], one["deviceid"]) for one in root] == [(made["id"], "ROOT", 0)]
    with pytest.raises(CloudStackApiException):
        await here.bob.job("deployVirtualMachine", **ask, volumeid=made["id"])


async def test_a_deploy_that_fails_gives_the_volume_back(here: Place) -> None:
    ann = here.ann
    first = await deploy(ann)
    made = (await ann.job("createVolume", zoneid=str(ZONE), name="r",
                          diskofferingid=SMALL_DISK))["volume"]  # fmt: skip
    await ann.job("attachVolume", id=made["id"], virtualmachineid=first["id"])
    await ann.job("detachVolume", id=made["id"])
    ask = {"zoneid": str(ZONE), "serviceofferingid": DEPLOY["serviceofferingid"]}
    ask |= {"hypervisor": "Simulator", "volumeid": made["id"], "hostid": str(named("host 3"))}
    ask |= {"account": "ann", "domainid": str(named("domain ann"))}
    with pytest.raises(CloudStackApiException, match="no host"):
        await here.admin.job("deployVirtualMachine", **ask)
    row = here.controller.cloud[volumes][UUID(made["id"])]
    assert (row.kind, row.vm_id, row.state) == ("DATADISK", None, "Ready")


async def test_cards_with_the_addresses_that_were_asked_for(here: Place) -> None:
    ann = here.ann
    nets = [
        (await ann("createNetwork", zoneid=str(ZONE), networkofferingid=ISOLATED, name=name,
                   displaytext=name))["network"]["id"]
        for name in ("one", "two")
    ]  # fmt: skip
    wanted = [
        {"networkid": nets[0], "ip": "10.1.1.40", "mac": "52:54:00:AA:BB:01"},
        {"networkid": nets[1], "mac": "02-53-00-00-00-77"},
    ]
    options = [{"networkid": nets[1], "dhcp": "66:tftp.example,bootfile-name:x.img"}]
    vm = await deploy(ann, startvm="false", iptonetworklist=wanted, dhcpoptionsnetworklist=options)
    cards = vm["nic"]
    assert [card["macaddress"] for card in cards] == ["52:54:00:aa:bb:01", "02:53:00:00:00:77"]
    for card in cards:
        taken = {"networkids": card["networkid"], "macaddress": card["macaddress"]}
        error = await refusal(here.ann, "deployVirtualMachine", **(DEPLOY | taken))
        assert f"{card['macaddress']} is in use in this zone" in error["errortext"]
    assert (cards[0]["ipaddress"], cards[0]["isdefault"]) == ("10.1.1.40", True)
    told = {"nicid": cards[1]["id"]}
    assert cards[1]["extradhcpoption"] == [
        told | {"extradhcpoptioncode": 66, "extradhcpvalue": "tftp.example"},
        told | {"extradhcpoptionname": "bootfile-name", "extradhcpvalue": "x.img"},
    ]
    for mac in ("52:54:00:aa:bb:01", "02:53:00:00:00:77"):
        with pytest.raises(CloudStackApiException):
            await deploy(ann, networkids=nets[0], macaddress=mac)
    again = await deploy(ann, startvm="false", networkids=nets[0], macaddress="52:54:00:aa:bb:02")
    assert again["nic"][0]["macaddress"] == "52:54:00:aa:bb:02"


async def test_an_id_firmware_and_a_planner_of_roots_choosing(here: Place) -> None:
    chosen = str(uuid4())
    vm = await deploy(
        here.admin, customid=chosen, boottype="UEFI", bootmode="SECURE",
        deploymentplanner="UserDispersingPlanner",
    )  # fmt: skip
    assert (vm["id"], vm["boottype"], vm["bootmode"]) == (chosen, "UEFI", "Secure")
    other = await deploy(here.admin, deploymentplanner="UserDispersingPlanner")
    assert other["hostid"] != vm["hostid"]
    with pytest.raises(CloudStackApiException, match="is another virtual machine's"):
        await deploy(here.admin, customid=chosen)
    with pytest.raises(CloudStackApiException, match="there is no planner"):
        await deploy(here.admin, deploymentplanner="Nobody")


async def test_a_custom_offering_keeps_its_bounds(here: Place) -> None:
    offering = (
        await here.admin(
            "createServiceOffering", name="c", displaytext="c", customized="true", cpuspeed=500,
            mincpunumber=1, maxcpunumber=4, minmemory=256, maxmemory=1024,
        )
    )["serviceoffering"]  # fmt: skip
    ask = {"serviceofferingid": offering["id"], "startvm": "false"}
    vm = await deploy(here.ann, **ask, details=[{"cpuNumber": "2", "memory": "512"}])
    assert (vm["cpunumber"], vm["cpuspeed"], vm["memory"]) == (2, 500, 512)
    for details in ({"cpuNumber": "5", "memory": "512"}, {"cpuNumber": "2", "memory": "2048"}):
        with pytest.raises(CloudStackApiException, match="allows"):
            await deploy(here.ann, **ask, details=[details])


async def test_a_root_disk_by_another_offering(here: Place) -> None:
    vm = await deploy(here.ann, startvm="false", overridediskofferingid=SMALL_DISK)
    (root,) = (await here.ann("listVolumes", virtualmachineid=vm["id"]))["volume"]
    assert root["size"] == 5 * GIB


@pytest.mark.parametrize(("action", "state"), [("STOP", "Stopped"), ("DESTROY", "Destroyed")])
async def test_a_lease_ends_by_itself(here: Place, action: str, state: str) -> None:
    vm = await deploy(here.ann, leaseduration=2, leaseexpiryaction=action)
    assert (vm["leaseduration"], vm["leaseexpiryaction"]) == (2, action)
    plain = await deploy(here.ann)
    for leased, one in ((True, vm), (False, plain)):
        found = await here.ann.one("listVirtualMachines", "virtualmachine", leased=leased)
        assert found["id"] == one["id"]
    engine, now_ms = here.controller.engine, int(time.time() * 1000)
    ends_at_ms = engine.cloud[vms][UUID(vm["id"])].lease_ends_at_ms
    await end_leases(engine, now_ms + DAY_MS)
    assert await state_of(here.ann, vm["id"]) == "Running"
    await end_leases(engine, now_ms + 3 * DAY_MS)
    await end_leases(engine, now_ms + 3 * DAY_MS)
    row = engine.cloud[vms][UUID(vm["id"])]
    assert await engine.outcome(uuid5(row.id, f"lease/{ends_at_ms}")) == ""
    assert (row.state, row.lease_ends_at_ms) == (state, 0)
    assert await state_of(here.ann, plain["id"]) == "Running"


async def test_a_lease_that_is_made_longer_while_others_end(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = [await deploy(here.ann, leaseduration=2, leaseexpiryaction="STOP") for _ in range(2)]
    engine, now_ms = here.controller.engine, int(time.time() * 1000)
    submit, ended = engine.submit, list[str]()

    async def meanwhile(ask: Any, *rest: Any, **more: Any) -> Any:
        other = next(one["id"] for one in pair if one["id"] != str(ask.vm_id))
        if not ended:
            await here.ann.job("updateVirtualMachine", id=other, leaseduration=20)
        ended.append(str(ask.vm_id))
        return await submit(ask, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(engine, "submit", meanwhile)
        await end_leases(engine, now_ms + 3 * DAY_MS)
    assert len(ended) == 1, "a lease that goes on ends nobody"


async def test_what_an_update_changes(here: Place) -> None:
    ann = here.ann
    vm = await deploy(ann, leaseduration=1)
    told: Any = await ann(
        "updateVirtualMachine", id=vm["id"], leaseduration=-1, deleteprotection="true",
        isdynamicallyscalable="true", displayname="New",
    )  # fmt: skip
    seen = told["virtualmachine"]
    assert "leaseduration" not in seen and seen["deleteprotection"] is True
    assert (seen["isdynamicallyscalable"], seen["displayname"]) == (True, "New")
    for expunge in ("false", "true"):
        with pytest.raises(CloudStackApiException, match="deleteprotection=false"):
            await here.admin.job("destroyVirtualMachine", id=vm["id"], expunge=expunge)
    await ann("updateVirtualMachine", id=vm["id"], deleteprotection="false")
    await ann.job("destroyVirtualMachine", id=vm["id"])


async def test_a_list_with_less_of_each(here: Place) -> None:
    vm = await deploy(here.ann, group="lab")
    seen = await here.ann.one("listVirtualMachines", "virtualmachine", id=vm["id"], details="min")
    assert (seen["nic"], seen["state"]) == ([], "Running")
    assert "group" not in seen and "templatename" not in seen
    seen = await here.ann.one(
        "listVirtualMachines", "virtualmachine", id=vm["id"], details="nics,group"
    )
    assert seen["group"] == "lab" and seen["nic"]
    with pytest.raises(CloudStackApiException, match="must be one of"):
        await here.ann("listVirtualMachines", details="everything")
    with pytest.raises(CloudStackApiException, match="backupofferingid is not offered"):
        await here.ann("listVirtualMachines", backupofferingid=TEMPLATE)
    found = await here.ann("listVirtualMachines", forvirtualnetwork="true", arch="x86_64")
    assert found["count"] == 1
    assert await here.ann("listVirtualMachines", arch="aarch64") == {}
