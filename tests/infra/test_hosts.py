"""Hosts and pools in the world: reached or not, known already, maintained, reconnected."""

from __future__ import annotations

import asyncio
from pathlib import Path

from projections.capacity import Capacity
from projections.host import hosts
from tests.infra import build
from tests.infra.build import Built, data_center
from tests.infra.server import Api, serving


async def _place(api: Api) -> Built:
    built = Built(zone=await build.zone(api))
    built.pod = await build.pod(api, built.zone)
    built.clusters.append(await build.cluster(api, built.zone, built.pod, "c"))
    return built


async def test_a_host_that_cannot_be_reached_leaves_nothing(api: Api) -> None:
    built = await _place(api)
    where = {"zoneid": built.zone, "podid": built.pod, "hypervisor": "Simulator"}
    here = where | {"clusterid": built.clusters[0]}

    lost = here | {"url": "sim://gone?unreachable=1"}
    await api.refused("addHost", 534, "does not answer", **lost)
    refusing = where | {"clustername": "new", "url": "sim://shut?refuse=1"}
    await api.refused("addHost", 530, "refuses everybody", **refusing)

    assert await api("listHosts") == {}
    assert [one["name"] for one in (await api("listClusters"))["cluster"]] == ["c"]
    assert len(api.controller.cloud[hosts]) == 0


async def test_one_machine_is_one_host(api: Api) -> None:
    built = await _place(api)
    where = {"zoneid": built.zone, "podid": built.pod, "clusterid": built.clusters[0]}
    where |= {"hypervisor": "Simulator"}
    await api("addHost", url="sim://one", **where)

    await api.refused("addHost", 431, "has the URL sim://one", url="sim://one", **where)
    await api.refused("addHost", 431, "is host", url="sim://one?cpus=4", **where)
    wrong = where | {"hypervisor": "KVM", "url": "qemu:///system"}
    await api.refused("addHost", 431, "needs a cluster of its own kind", **wrong)
    assert (await api("listHosts"))["count"] == 1

    other = (await api("addHost", url="sim://two", **where))["host"][0]["id"]
    await api.refused("updateHost", 431, "one has the URL sim://one", id=other, url="sim://one")
    moved = (await api("updateHost", id=other, url="sim://three"))["host"]
    assert moved["ipaddress"] == "three"


async def test_a_cluster_is_made_by_name_and_tags_and_state_are_kept(api: Api) -> None:
    built = await _place(api)
    where = {"zoneid": built.zone, "podid": built.pod, "hypervisor": "simulator"}

    made = await api(
        "addHost",
        url="sim://two",
        clustername="made",
        hosttags=["fast", "ssd"],
        allocationstate="Disabled",
        **where,
    )

    host = made["host"][0]
    assert (host["clustername"], host["hosttags"]) == ("made", "fast,ssd")
    assert (host["state"], host["resourcestate"]) == ("Up", "Disabled")
    offer = api.controller.cloud.view(Capacity).hosts.supplies[0]
    assert offer is not None and not offer.enabled
    enabled = await api("updateHost", id=host["id"], allocationstate="Enable", hosttags=["slow"])
    assert (enabled["host"]["resourcestate"], enabled["host"]["hosttags"]) == ("Enabled", "slow")
    offer = api.controller.cloud.view(Capacity).hosts.supplies[0]
    assert offer is not None and offer.enabled and offer.tags == ["slow"]


async def test_a_password_is_sealed_and_never_in_the_log(api: Api) -> None:
    built = await _place(api)
    await build.host(api, built.zone, built.pod, built.clusters[0], "sim://three")

    home = api.controller.settings.home
    files = [path for path in home.rglob("*") if path.is_file()]
    assert files
    assert not any(b"a-host-password" in path.read_bytes() for path in files)
    row = next(iter(api.controller.cloud[hosts]))
    address = await api.controller.hosts.address(row.id)
    assert address.password == "a-host-password"


async def test_a_host_is_maintained_and_serves_again(api: Api) -> None:
    built = await data_center(api)
    mine = built.hosts[0]

    done = await api("prepareHostForMaintenance", id=mine)
    assert done["host"]["resourcestate"] == "Maintenance"
    text = "only an Enabled host"
    await api.refused("prepareHostForMaintenance", 431, text, id=mine)
    enable = {"id": mine, "allocationstate": "Enable"}
    await api.refused("updateHost", 431, "cancel its maintenance", **enable)
    done = await api("cancelHostMaintenance", id=mine)
    assert done["host"]["resourcestate"] == "Enabled"
    done = await api("reconnectHost", id=mine)
    assert done["host"]["state"] == "Up"


async def test_a_pool_needs_a_host_and_is_maintained(api: Api) -> None:
    built = await _place(api)
    pool = {"zoneid": built.zone, "name": "p", "url": "nfs://h/x", "clusterid": built.clusters[0]}
    text = "no host that is Up reaches"
    await api.refused("createStoragePool", 431, text, **pool)
    await build.host(api, built.zone, built.pod, built.clusters[0], "sim://four")
    bad = pool | {"url": "sim://p?unreachable=1"}
    await api.refused("createStoragePool", 534, "does not answer", **bad)
    assert await api("listStoragePools") == {}

    made = (await api("createStoragePool", **pool))["storagepool"]
    await api.refused("createStoragePool", 431, "already", **pool)
    local = {"zoneid": built.zone, "name": "l", "url": "file:///pool", "scope": "HOST"}
    local |= {"clusterid": built.clusters[0]}
    assert (await api("createStoragePool", **local))["storagepool"]["type"] == "Filesystem"
    wide = {"zoneid": built.zone, "name": "w", "url": "nfs://h/w", "scope": "ZONE"}
    wide |= {"hypervisor": "Simulator"}
    assert (await api("createStoragePool", **wide))["storagepool"]["scope"] == "ZONE"
    done = await api("enableStorageMaintenance", id=made["id"])
    assert done["storagepool"]["state"] == "Maintenance"
    done = await api("cancelStorageMaintenance", id=made["id"])
    assert done["storagepool"]["state"] == "Up"
    done = await api("updateStoragePool", id=made["id"], enabled=False, tags=["ssd"])
    assert (done["storagepool"]["state"], done["storagepool"]["tags"]) == ("Disabled", "ssd")


async def test_what_was_built_is_there_after_a_restart_and_rebuilds_equal(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        built = await data_center(api, hosts_each=1)
        before = api.controller.cloud.digest()
    async with serving(tmp_path) as api:
        assert api.controller.cloud.digest() == before
        rows = (await api("listHosts"))["host"]
        assert {row["id"] for row in rows} == set(built.hosts)
        async with asyncio.timeout(60):
            await api("reconnectHost", id=built.hosts[0])


async def test_an_address_that_stands_for_several_hosts_adds_each(api: Api) -> None:
    built = await _place(api)
    where = {"zoneid": built.zone, "podid": built.pod, "hypervisor": "Simulator"}
    where |= {"clustername": "pool", "username": "root", "password": "once"}

    added = await api("addHost", url="sim://pool?hosts=3", **where)

    urls = {host.url for host in api.controller.cloud[hosts]}
    assert urls == {"sim://pool/1", "sim://pool/2", "sim://pool/3"}
    assert {one["clustername"] for one in added["host"]} == {"pool"}
    more = await api("addHost", url="sim://pool?hosts=4", **where)
    assert [one["name"] for one in more["host"]] == ["pool-4"]
    await api.refused("addHost", 431, "already", url="sim://pool?hosts=4", **where)


async def test_of_several_hosts_all_are_added_or_none(api: Api) -> None:
    built = await _place(api)
    where = {"zoneid": built.zone, "podid": built.pod, "hypervisor": "Simulator"}
    here = where | {"clusterid": built.clusters[0]}
    await api("addHost", url="sim://pool/2?name=known", **here)

    new = where | {"clustername": "new", "password": "once"}
    await api.refused("addHost", 530, "none of its cluster", url="sim://pool?hosts=3", **new)

    assert [host.name for host in api.controller.cloud[hosts]] == ["known"]
    assert [one["name"] for one in (await api("listClusters"))["cluster"]] == ["c"]
