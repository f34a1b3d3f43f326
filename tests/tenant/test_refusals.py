"""What is refused to a tenant, at once or by the job, and in which words."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from cs import CloudStackApiException

from engine.allocator import Allocator, HostDecision, PlaceRequest
from engine.intents import SYSTEM
from engine.intents.record import CreateRecord, UpdateRecord
from tests.tenant.test_vm_life import DEPLOY, deploy
from tests.tenant.world import SMALL, SMALL_DISK, SPARE, ZONE, Client, Place, named


async def refusal(client: Client, command: str, **params: Any) -> dict[str, Any]:
    """The error of a command that must be refused, at once or by its job."""
    with pytest.raises(CloudStackApiException) as refused:
        await client(command, **params, fetch_result=True)
    error: dict[str, Any] = refused.value.error
    told: dict[str, Any] = error.get("jobresult", error)
    return told


def gone(error: dict[str, Any], param: str, value: str) -> bool:
    said = f"Invalid parameter {param} value={value} due to incorrect long value format"
    return error["errorcode"] == 431 and said in error["errortext"]


async def test_another_tenants_guest_does_not_exist(here: Place) -> None:
    vm = await deploy(here.ann)
    for command in (
        "startVirtualMachine",
        "stopVirtualMachine",
        "rebootVirtualMachine",
        "destroyVirtualMachine",
        "expungeVirtualMachine",
        "recoverVirtualMachine",
        "updateVirtualMachine",
        "listVirtualMachines",
    ):
        error = await refusal(here.bob, command, id=vm["id"])
        assert gone(error, "id", vm["id"]), command
    for command in ("getVirtualMachineUserData", "listNics", "createConsoleEndpoint"):
        error = await refusal(here.bob, command, virtualmachineid=vm["id"])
        assert gone(error, "virtualmachineid", vm["id"]), command
    volume = await here.ann.one("listVolumes", "volume")
    error = await refusal(here.bob, "resizeVolume", id=volume["id"], size=9)
    assert gone(error, "id", volume["id"])
    network_id = vm["nic"][0]["networkid"]
    for command, param in (("deleteNetwork", "id"), ("updateNetwork", "id")):
        assert gone(await refusal(here.bob, command, **{param: network_id}), param, network_id)
    error = await refusal(here.bob, "deployVirtualMachine", **DEPLOY, networkids=network_id)
    assert gone(error, "networkids", network_id)


async def test_a_deletion_that_is_repeated_is_told_so(here: Place) -> None:
    made = await here.ann.job("createVolume", name="d", diskofferingid=SMALL_DISK, zoneid=str(ZONE))
    volume_id = made["volume"]["id"]
    await here.ann("deleteVolume", id=volume_id)
    again = await refusal(here.ann, "deleteVolume", id=volume_id)
    assert gone(again, "id", volume_id) and again["cserrorcode"] == 4350


async def test_an_id_of_another_kind_does_not_exist(here: Place) -> None:
    wrong = DEPLOY | {"templateid": SMALL}
    error = await refusal(here.ann, "deployVirtualMachine", **wrong)
    assert gone(error, "templateid", SMALL)
    wrong = DEPLOY | {"serviceofferingid": str(uuid4())}
    error = await refusal(here.ann, "deployVirtualMachine", **wrong)
    assert gone(error, "serviceofferingid", wrong["serviceofferingid"])


CANNOT_BE_DEPLOYED: list[tuple[dict[str, Any], str]] = [
    ({"hypervisor": "KVM"}, "is for Simulator, not KVM"),
    ({"name": "1st"}, "is no host name"),
    ({"name": "a" * 64}, "is no host name"),
    ({"userdata": "not base64!"}, "userdata is not base64"),
    ({"keypair": "none"}, "'none' does not exist"),
    ({"details": {"cpuNumber": "4"}}, "fixes cpuNumber to 1"),
    ({"diskofferingid": SMALL_DISK, "size": 0}, "must be at least 1"),
    ({"diskofferingid": SMALL_DISK, "size": 7}, "have 5 GiB, not 7"),
    ({"size": 7}, "of diskofferingid: name that too"),
    ({"ipaddress": "192.0.2.9"}, "is not in 10.1.1.0/24"),
    ({"securitygroupnames": "none such"}, "find security group none such"),
    ({"affinitygroupids": str(uuid4())}, "entity does not exist"),
    ({"affinitygroupnames": "none"}, "there is no affinity group none"),
    ({"macaddress": "01:00:5e:00:00:01"}, "is an address of many"),
    ({"macaddress": "what"}, "is no MAC address"),
    ({"boottype": "UEFI"}, "needs bootmode"),
    ({"bootmode": "SECURE", "boottype": "BIOS"}, "say boottype=UEFI"),
    ({"bootintosetup": "true"}, "VMware alone"),
    ({"leaseexpiryaction": "STOP"}, "needs leaseduration"),
    ({"leaseduration": "0"}, "1 to 36500 days"),
    ({"userdata": "aGk=", "userdataid": str(uuid4())}, "entity does not exist"),
    ({"password": "secret-word"}, "takes no password"),
    ({"customid": str(uuid4())}, "for root administrators"),
    ({"deploymentplanner": "FirstFitPlanner"}, "for root administrators"),
    ({"ip6address": "2001:db8::1"}, "is not offered"),
    ({"volumeid": str(uuid4())}, "entity does not exist"),
    ({"projectid": str(uuid4())}, "entity does not exist"),
    ({"hostid": str(named("host 1"))}, "entity does not exist"),
    ({"account": "bob", "domainid": str(named("domain bob"))}, "entity does not exist"),
]


async def test_what_cannot_be_deployed(here: Place) -> None:
    for params, words in CANNOT_BE_DEPLOYED:
        error = await refusal(here.ann, "deployVirtualMachine", **(DEPLOY | params))
        assert words in error["errortext"], params
    assert await here.ann("listVirtualMachines") == {}


async def test_a_name_is_once_in_an_account(here: Place) -> None:
    await deploy(here.ann, name="web", startvm="false")
    error = await refusal(here.ann, "deployVirtualMachine", **DEPLOY, name="WEB")
    assert "already exists" in error["errortext"]
    await deploy(here.bob, name="web", startvm="false")


async def test_too_large_for_every_host_names_them(here: Place) -> None:
    huge = named("huge offering")
    fields = {"name": "Huge", "cpu_count": 64, "cpu_mhz": 1000, "memory_mib": 1024}
    create = CreateRecord(kind="service_offering", id=huge, fields=fields)
    await here.controller.engine.decide(create, SYSTEM)
    ann = {"account": "ann", "domainid": str(named("domain ann"))}
    await here.admin("updateResourceLimit", resourcetype=8, max=-1, **ann)
    wrong = DEPLOY | {"serviceofferingid": str(huge)}
    error = await refusal(here.admin, "deployVirtualMachine", **wrong)
    assert error["errorcode"] == 533
    for number in (1, 2, 3):
        assert f"host tenant-h{number}: has 8 cores" in error["errortext"]
    assert await here.ann("listVirtualMachines", state="Present") == {}
    assert await here.ann("listVolumes") == {}


async def test_a_host_that_no_pool_reaches_is_no_place(here: Place) -> None:
    error = await refusal(here.admin, "deployVirtualMachine", **DEPLOY, clusterid=str(SPARE))
    assert error["errorcode"] == 533
    assert "host tenant-h3: reaches no pools with room" in error["errortext"]


async def test_a_disk_that_no_pool_takes_is_refused_at_once(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by trying one host after the other: a cloud may have many."""
    asked: list[PlaceRequest] = []
    place = Allocator.place

    def counted(self: Allocator, request: PlaceRequest, hold: UUID) -> HostDecision:
        asked.append(request)
        return place(self, request, hold)

    monkeypatch.setattr(Allocator, "place", counted)
    error = await refusal(here.admin, "deployVirtualMachine", **DEPLOY, rootdisksize=60_000)
    assert error["errorcode"] == 533
    assert {one.avoid for one in asked} == {frozenset()}, "it went from host to host"
    assert error["errortext"].startswith("no pool has room for")
    assert "pool pool: wants" in error["errortext"]


async def test_custom_sizes_stay_within_bounds(here: Place) -> None:
    custom = named("custom offering")
    bounds = {"mincpunumber": "1", "maxcpunumber": "4", "minmemory": "256", "maxmemory": "4096"}
    fields = {"name": "Custom", "cpu_mhz": 1000, "is_customized": True, "details": bounds}
    create = CreateRecord(kind="service_offering", id=custom, fields=fields)
    await here.controller.engine.decide(create, SYSTEM)
    ask = DEPLOY | {"serviceofferingid": str(custom)}
    error = await refusal(here.ann, "deployVirtualMachine", **ask)
    assert "say details[0].cpuNumber" in error["errortext"]
    wrong = {"cpuNumber": "8", "memory": "512"}
    error = await refusal(here.ann, "deployVirtualMachine", **ask, details=wrong)
    assert "allows 1 to 4" in error["errortext"]
    right = {"cpuNumber": "3", "memory": "768"}
    vm = await deploy(here.ann, serviceofferingid=str(custom), details=right)
    assert (vm["cpunumber"], vm["cpuspeed"], vm["memory"]) == (3, 1000, 768)
    assert vm["details"] == right


async def test_a_disabled_zone_is_for_administrators(here: Place) -> None:
    fields = {"allocation_state": "Disabled"}
    update = UpdateRecord(kind="zone", id=ZONE, fields=fields)
    await here.controller.engine.decide(update, SYSTEM)
    error = await refusal(here.ann, "deployVirtualMachine", **DEPLOY)
    assert error["errorcode"] in (431, 531)
    assert (await deploy(here.admin))["state"] == "Running"


async def test_key_pairs_are_the_owners(here: Place) -> None:
    owner = {"account_id": named("account ann"), "domain_id": named("domain ann")}
    pair = owner | {"name": "laptop", "public_key": "ssh-ed25519 AAAA", "fingerprint": "aa:bb"}
    create = CreateRecord(kind="ssh_key_pair", id=named("pair"), fields=pair)
    await here.controller.engine.decide(create, SYSTEM)
    vm = await deploy(here.ann, keypairs="laptop")
    assert vm["keypairs"] == "laptop"
    error = await refusal(here.bob, "deployVirtualMachine", **DEPLOY, keypair="laptop")
    assert "'laptop' does not exist" in error["errortext"]


async def test_what_the_state_forbids_is_refused(here: Place) -> None:
    vm = await deploy(here.ann, startvm="false")
    error = await refusal(here.ann, "rebootVirtualMachine", id=vm["id"])
    assert error["errorcode"] == 431
    assert "is Stopped: it must be Running" in error["errortext"]


async def test_an_administrator_deploys_for_a_tenant(here: Place) -> None:
    owner = {"account": "ann", "domainid": str(named("domain ann"))}
    vm = await deploy(here.admin, **owner)
    assert vm["account"] == "ann"
    network = await here.ann.one("listNetworks", "network")
    assert network["account"] == "ann"
