"""A cloud's daily life through the clients that users have: `cs` and Apache Libcloud."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from libcloud.compute.drivers.cloudstack import CloudStackNodeDriver
from libcloud.compute.types import NodeState

from tests.e2e.place import Place, unique
from tests.e2e.server import Api

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGdsqVHMk2pHiVUXxh5DwUTRhmaHyF1YIhyqpXjWfBXl me"


def test_what_the_deployment_tool_built_is_there(place: Place) -> None:
    api, built = place.api, place.built
    zone = api.one("listZones", "zone", id=built.zone)
    assert (zone["allocationstate"], zone["networktype"]) == ("Enabled", "Advanced")
    clusters = api("listClusters", zoneid=built.zone)["cluster"]
    assert {one["hypervisortype"] for one in clusters} == {"Simulator"}
    assert {one["id"] for one in clusters} == set(built.clusters)
    hosts = api("listHosts", zoneid=built.zone, type="Routing")["host"]
    assert [(one["state"], one["resourcestate"]) for one in hosts] == [("Up", "Enabled")] * 4
    pools = api("listStoragePools", zoneid=built.zone)["storagepool"]
    assert {one["id"] for one in pools} == set(built.pools)
    assert {one["state"] for one in pools} == {"Up"}
    assert api("listCapacity", zoneid=built.zone)["count"] > 0
    assert api.one("listPhysicalNetworks", "physicalnetwork")["state"] == "Enabled"
    for command in ("listServiceOfferings", "listDiskOfferings", "listNetworkOfferings"):
        assert api(command)["count"] > 0, command
    assert api("listOsTypes")["count"] > 0
    names = {one["name"] for one in api("listApis")["api"]}
    assert {"deployVirtualMachine", "queryAsyncJobResult", "listEvents"} <= names


def test_a_guests_life_by_cs(place: Place) -> None:
    api = place.api
    began = api.accepted("deployVirtualMachine", **place.shape, name=unique("web"))
    assert set(began) == {"id", "jobid"}
    deployed = api.ended(began["jobid"])["virtualmachine"]
    vm = {"id": began["id"]}
    assert deployed["state"] == "Running" and deployed["id"] == vm["id"]
    assert deployed["nic"][0]["ipaddress"].startswith("10.1.1.")
    job = api.accepted("queryAsyncJobResult", jobid=began["jobid"])
    assert (job["jobstatus"], job["jobinstanceid"]) == (1, vm["id"])

    for command, state in (
        ("stopVirtualMachine", "Stopped"),
        ("startVirtualMachine", "Running"),
        ("rebootVirtualMachine", "Running"),
        ("destroyVirtualMachine", "Destroyed"),
    ):
        assert api(command, **vm)["virtualmachine"]["state"] == state, command
        listed = api.one("listVirtualMachines", "virtualmachine", **vm)
        assert listed["state"] == state, command
    assert api("recoverVirtualMachine", **vm)["virtualmachine"]["state"] == "Stopped"
    api.refused("expungeVirtualMachine", 431, "destroy it before", **vm)
    api("destroyVirtualMachine", **vm)
    assert api("expungeVirtualMachine", **vm)["success"] is True
    api.refused("listVirtualMachines", 431, "entity does not exist", **vm)

    events = api("listEvents", resourceid=vm["id"], listall=True)["event"]
    kinds = {one["type"] for one in events if one["state"] == "Completed"}
    verbs = ("CREATE", "STOP", "START", "REBOOT", "DESTROY", "RECOVER", "EXPUNGE")
    assert kinds >= {f"VM.{verb}" for verb in verbs}


def test_disks_networks_and_keys_by_cs(place: Place) -> None:
    api, vm = place.api, place.deploy()
    offering = api.one("listDiskOfferings", "diskoffering", name="Custom")
    asked = {"name": unique("data"), "diskofferingid": offering["id"], "size": 2}
    volume = api("createVolume", zoneid=place.built.zone, **asked)["volume"]
    attached = api("attachVolume", id=volume["id"], virtualmachineid=vm["id"])["volume"]
    assert (attached["state"], attached["virtualmachineid"]) == ("Ready", vm["id"])
    assert api("resizeVolume", id=volume["id"], size=3)["volume"]["size"] == 3 * 2**30
    kinds = [one["type"] for one in api("listVolumes", virtualmachineid=vm["id"])["volume"]]
    assert sorted(kinds) == ["DATADISK", "ROOT"]
    assert "virtualmachineid" not in api("detachVolume", id=volume["id"])["volume"]
    assert api("deleteVolume", id=volume["id"])["success"] is True

    isolated = api(
        "listNetworkOfferings", name="DefaultIsolatedNetworkOfferingWithSourceNatService"
    )
    made = api(
        "createNetwork",
        name=unique("net"),
        zoneid=place.built.zone,
        networkofferingid=isolated["networkoffering"][0]["id"],
        gateway="10.9.0.1",
        netmask="255.255.255.0",
    )["network"]
    other = place.deploy(networkids=made["id"])
    assert other["nic"][0]["ipaddress"].startswith("10.9.0.")
    api.refused("deleteNetwork", 536, other["name"], id=made["id"])
    for one in (vm, other):
        place.expunge(one)
    assert api("deleteNetwork", id=made["id"])["success"] is True
    pair = api("createSSHKeyPair", name=unique("pair"))["keypair"]
    assert "PRIVATE KEY" in pair["privatekey"]
    assert api("deleteSSHKeyPair", name=pair["name"])["success"] is True


def driver_of(api: Api) -> Any:
    url = urlsplit(api.endpoint)
    make: Any = CloudStackNodeDriver
    place = {"secure": False, "host": url.hostname, "port": url.port, "path": url.path}
    driver = make(api.key, api.secret, **place)
    driver.connection.poll_interval = 0.02
    return driver


def test_a_tenants_life_by_libcloud(place: Place) -> None:
    driver = driver_of(place.tenant())
    size = next(one for one in driver.list_sizes() if one.name == "Small Instance")
    image = next(one for one in driver.list_images())
    location = driver.list_locations()[0]
    pair = driver.import_key_pair_from_string("laptop", PUBLIC_KEY)
    assert [one.name for one in driver.list_key_pairs()] == [pair.name]
    offering = next(one for one in driver.ex_list_network_offerings() if "SourceNat" in one.name)
    network = driver.ex_create_network(
        "by libcloud", "lan", offering, location, gateway="10.8.0.1", netmask="255.255.255.0"
    )
    node = driver.create_node(
        name=unique("lib"),
        size=size,
        image=image,
        location=location,
        networks=[network],
        ex_keyname=pair.name,
        ex_start_vm=True,
    )
    assert node.state == NodeState.RUNNING
    assert node.private_ips[0].startswith("10.8.0.")
    assert [one.id for one in driver.list_nodes()] == [node.id]

    volume = driver.create_volume(size=3, name="data", location=location, ex_volume_type="Custom")
    assert driver.attach_volume(node, volume) is True
    assert len(driver.list_volumes(node)) == 2
    assert driver.detach_volume(volume) is True
    assert driver.destroy_volume(volume) is True

    assert driver.ex_stop(node) == "Stopped"
    assert driver.ex_start(node) == "Running"
    assert driver.reboot_node(node) is True
    assert driver.ex_list_nics(node)[0].network_id == network.id
    assert driver.destroy_node(node, ex_expunge=True) is True
    assert driver.list_nodes() == [] and driver.list_volumes() == []
    assert driver.ex_delete_network(network) is True
    driver.delete_key_pair(pair)  # Its answer is of the days when success was a string.
    assert driver.list_key_pairs() == []
    assert driver.ex_limits()
