"""Hosts with guests on them: maintenance moves the guests, removal does not lose them."""

from __future__ import annotations

from typing import Any

from engine.genesis import BUILTIN_TEMPLATE, stable_id
from tests.infra.build import Built, data_center
from tests.infra.server import Api

SMALL = str(stable_id("service_offering", "Small Instance"))
L2 = str(stable_id("network_offering", "DefaultL2NetworkOffering"))


async def _guest(api: Api, built: Built, name: str) -> Any:
    networks = await api("listNetworks", zoneid=built.zone)
    if not networks:
        where = {"zoneid": built.zone, "networkofferingid": L2}
        await api("createNetwork", name="wire", displaytext="wire", **where)
        networks = await api("listNetworks", zoneid=built.zone)
    made = await api(
        "deployVirtualMachine",
        name=name,
        zoneid=built.zone,
        templateid=str(BUILTIN_TEMPLATE),
        serviceofferingid=SMALL,
        networkids=networks["network"][0]["id"],
    )
    return made["virtualmachine"]


async def test_maintenance_moves_every_guest_to_another_host(api: Api) -> None:
    built = await data_center(api)
    guests = [await _guest(api, built, f"vm{number}") for number in range(3)]
    home = guests[0]["hostid"]

    row = (await api("listHosts", id=home))["host"][0]
    assert row["memoryallocated"] > 0
    await api.refused("deleteHost", 536, "virtual machines run on host", id=home)
    done = await api("prepareHostForMaintenance", id=home)

    assert done["host"]["resourcestate"] == "Maintenance"
    assert done["host"]["memoryallocated"] == 0
    for guest in guests:
        now = (await api("listVirtualMachines", id=guest["id"]))["virtualmachine"][0]
        assert now["state"] == "Running"
        assert now["hostid"] != home
    await api("deleteHost", id=home)
    assert (await api("listHosts"))["count"] == 3


async def test_a_guest_that_cannot_move_keeps_its_host_in_service(api: Api) -> None:
    built = await data_center(api, hosts_each=1)
    guest = await _guest(api, built, "alone")
    home = guest["hostid"]

    await api.refused_job("prepareHostForMaintenance", "alone cannot be moved", id=home)

    row = (await api("listHosts", id=home))["host"][0]
    assert (row["state"], row["resourcestate"]) == ("Up", "Enabled")
    pool = (await api("listVolumes", virtualmachineid=guest["id"]))["volume"][0]["storageid"]
    await api.refused("deleteStoragePool", 536, "", id=pool)
    await api("deleteHost", id=home, forced=True)
    now = (await api("listVirtualMachines", id=guest["id"]))["virtualmachine"][0]
    assert now["state"] == "Stopped"


async def test_public_addresses_are_listed_as_taken_or_free(api: Api) -> None:
    built = await data_center(api, hosts_each=1)

    assert await api("listPublicIpAddresses", zoneid=built.zone) == {}
    free = await api(
        "listPublicIpAddresses", zoneid=built.zone, allocatedonly=False, pagesize=5, page=1
    )
    assert free["count"] == 90
    assert free["publicipaddress"][0]["ipaddress"] == "192.0.2.10"
