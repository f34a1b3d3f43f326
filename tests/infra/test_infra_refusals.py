"""What cannot be: each refusal has its code and says why, and nothing is left of the attempt."""

from __future__ import annotations

from tests.infra import build
from tests.infra.build import data_center
from tests.infra.server import Api


async def test_names_and_places_are_checked(api: Api) -> None:
    built = await data_center(api, hosts_each=1)

    again = {"dns1": "8.8.8.8", "internaldns1": "8.8.4.4", "networktype": "Advanced"}
    await api.refused("createZone", 431, "already exists", name="z1", **again)
    wrong = again | {"dns1": "eight"}
    await api.refused("createZone", 431, "dns1 'eight' is no IPv4", name="z2", **wrong)
    await api.refused("createZone", 431, "missing parameter name", **again)
    where = {"zoneid": built.zone, "podid": built.pod, "clustertype": "CloudManaged"}
    words = {"clustername": "c9", "hypervisor": "VirtualBox"}
    await api.refused("addCluster", 431, "this controller drives", **where, **words)
    nowhere = "00000000-0000-4000-8000-000000000000"
    await api.refused("createPod", 431, "Invalid parameter zoneid", name="x", zoneid=nowhere)


async def test_settings_of_a_zone_are_checked_when_made_and_when_changed(api: Api) -> None:
    zone_id = await build.zone(api)
    zone = {"name": "z2", "networktype": "Advanced", "dns1": "8.8.8.8", "internaldns1": "8.8.4.4"}
    bad = {
        "dns1": "abc",
        "dns2": "8.8.8",
        "internaldns1": "zzz",
        "internaldns2": "fd17::1",
        "ip6dns1": "zzz",
        "ip6dns2": "8.8.8.8",
        "guestcidraddress": "10.1.1.0/99",
    }
    for name, value in bad.items():
        text = f"{name} '{value}' is no "
        await api.refused("createZone", 431, text, **(zone | {name: value}))
        await api.refused("updateZone", 431, text, id=zone_id, **{name: value})
    grouped = zone | {"securitygroupenabled": True}
    made = (await api("createZone", **grouped))["zone"]["id"]
    subnet = {"guestcidraddress": "10.1.1.0/24"}
    await api.refused("updateZone", 431, "for isolated networks", id=made, **subnet)

    good = {"dns1": "9.9.9.9", "dns2": "8.8.8.8", "ip6dns1": "2001:db8::53"}
    good |= {"internaldns1": "9.9.9.10", "guestcidraddress": "10.2.0.0/16"}
    changed = (await api("updateZone", id=zone_id, **good))["zone"]
    assert {name: changed[name] for name in good} == good
    less = (await api("updateZone", id=zone_id, dns2="", ip6dns1="", guestcidraddress=""))["zone"]
    assert not {"ip6dns1", "guestcidraddress"} & set(less) and not less.get("dns2")


async def test_networks_are_kept_apart_in_ways_that_there_are(api: Api) -> None:
    zone_id = await build.zone(api)
    ask = {"name": "net2", "zoneid": zone_id}
    wrong, both = {"isolationmethods": ["MAGIC"]}, {"isolationmethods": ["VLAN", "VXLAN"]}
    await api.refused("createPhysicalNetwork", 431, "must be one of VLAN, VXLAN", **ask, **wrong)
    await api.refused("createPhysicalNetwork", 431, "name only that", **ask, **both)
    traffic = {"physicalnetworkid": await build.physical_network(api, zone_id)}
    traffic |= {"traffictype": "Guest", "isolationmethod": "MAGIC"}
    await api.refused("addTrafficType", 431, "must be one of VLAN, VXLAN", **traffic)


async def test_ranges_are_checked(api: Api) -> None:
    zone_id = await build.zone(api)
    network_id = await build.physical_network(api, zone_id)
    await build.pod(api, zone_id)
    pod = {"zoneid": zone_id, "name": "p2", "gateway": "172.16.16.129"}
    pod |= {"netmask": "255.255.255.128", "startip": "172.16.16.130", "endip": "172.16.16.140"}

    await api.refused("createPod", 431, "overlaps 172.16.16.0/24 of pod p1", **pod)
    bad = {
        "netmask": ("255.0.255.0", "netmask 255.0.255.0 is none"),
        "startip": ("10.9.9.9", "startip 10.9.9.9 is not in the subnet"),
        "endip": ("172.16.16.129", "endip 172.16.16.129 comes before startip"),
        "gateway": ("172.16.16.128", "network or broadcast address"),
    }
    for name, (value, text) in bad.items():
        await api.refused("createPod", 431, text, **(pod | {name: value}))
    public = {"zoneid": zone_id, "gateway": "192.0.2.1", "netmask": "255.255.255.0"}
    await api("createVlanIpRange", startip="192.0.2.10", endip="192.0.2.20", **public)
    more = {"startip": "192.0.2.20", "endip": "192.0.2.30"}
    await api.refused("createVlanIpRange", 431, "overlaps 192.0.2.10-192.0.2.20", **public, **more)
    more = {"startip": "192.0.2.40", "vlan": "150"}
    await api.refused("createVlanIpRange", 431, "kept for isolated networks", **public, **more)
    for vlan in ("junk", "-1", "1.5", "5000"):
        more = {"startip": "192.0.2.40", "vlan": vlan}
        await api.refused("createVlanIpRange", 431, f"vlan {vlan} is not", **public, **more)
    net = {"id": network_id, "vlan": "200-100"}
    await api.refused("updatePhysicalNetwork", 431, "ascending", **net)
    assert (await api("listPods"))["count"] == 1
    assert (await api("listVlanIpRanges"))["count"] == 1


async def test_a_range_leaves_its_gateway_out(api: Api) -> None:
    built = await data_center(api, hosts_each=1)
    mask, where = {"netmask": "255.255.255.0"}, {"zoneid": built.zone}

    async def refused(command: str, **asked: str) -> None:
        text = await api.refused(command, 431, "is in the range", **asked)
        assert "gateway" in text and "startip and endip" in text

    pod = {"name": "p2", "gateway": "10.77.9.1", **mask, **where}
    await refused("createPod", startip="10.77.9.1", **pod)
    await refused("createPod", startip="10.77.9.1", endip="10.77.9.9", **pod)
    await refused("updatePod", id=built.pod, startip="172.16.16.1")
    public = {"gateway": "203.0.113.9", **mask, **where}
    for ends in (("203.0.113.9", "203.0.113.20"), ("203.0.113.2", "203.0.113.9")):
        await refused("createVlanIpRange", startip=ends[0], endip=ends[1], **public)
    await refused("createVlanIpRange", startip="203.0.113.2", endip="203.0.113.20", **public)
    await refused("updateVlanIpRange", id=built.range, startip="192.0.2.1")
    storage = {"podid": built.pod, "gateway": "172.20.0.1", **mask}
    await refused("createStorageNetworkIpRange", startip="172.20.0.1", **storage)

    await api("createPod", startip="10.77.9.2", endip="10.77.9.254", **pod)
    await api("createVlanIpRange", startip="203.0.113.10", endip="203.0.113.254", **public)


async def test_a_range_grows_and_shrinks_while_nobody_is_left_out(api: Api) -> None:
    built = await data_center(api, hosts_each=1)

    await api("updateVlanIpRange", id=built.range, startip="192.0.2.5", endip="192.0.2.104")

    rows = (await api("listCapacity", zoneid=built.zone, type=4))["capacity"]
    assert rows[0]["capacitytotal"] == 100
    await api("updatePhysicalNetwork", id=built.network, vlan="100-199,300-309")
    rows = (await api("listCapacity", zoneid=built.zone, type=7))["capacity"]
    assert rows[0]["capacitytotal"] == 110
    await api("updatePod", id=built.pod, endip="172.16.16.11")
    rows = (await api("listCapacity", zoneid=built.zone, type=5))["capacity"]
    assert rows[0]["capacitytotal"] == 10


async def test_a_router_provider_waits_for_its_element(api: Api) -> None:
    zone_id = await build.zone(api)
    made = await api("createPhysicalNetwork", name="n", zoneid=zone_id)
    network_id = made["physicalnetwork"]["id"]
    wanted = {"name": "VirtualRouter", "physicalnetworkid": network_id}
    provider = (await api("listNetworkServiceProviders", **wanted))["networkserviceprovider"][0]

    text = "its element is not enabled"
    await api.refused("updateNetworkServiceProvider", 431, text, id=provider["id"], state="Enabled")
    await build.enable_provider(api, network_id, "VirtualRouter")
    await api.refused("addNetworkServiceProvider", 431, "already exists", **wanted)
    made = await api("createPhysicalNetwork", name="n2", zoneid=zone_id)
    public = {"traffictype": "Public", "physicalnetworkid": network_id}
    await api("addTrafficType", **public)
    public["physicalnetworkid"] = made["physicalnetwork"]["id"]
    await api.refused("addTrafficType", 431, "a zone has it once", **public)


async def test_what_is_in_use_stays_and_all_goes_in_reverse_order(api: Api) -> None:
    built = await data_center(api, hosts_each=1)

    await api.refused("deleteZone", 536, "is in use by", id=built.zone)
    await api.refused("deletePod", 536, "is in use by", id=built.pod)
    await api.refused("deleteCluster", 536, "is in use by", id=built.clusters[0])
    for pool in built.pools:
        await api("deleteStoragePool", id=pool)
    for one in built.hosts:
        await api("deleteHost", id=one)
    for one in built.clusters:
        await api("deleteCluster", id=one)
    await api("deleteImageStore", id=built.store)
    await api("deleteVlanIpRange", id=built.range)
    await api("deletePod", id=built.pod)
    await api("deletePhysicalNetwork", id=built.network)
    await api("deleteZone", id=built.zone)

    assert await api("listZones") == {}
    assert await api("listCapacity") == {}
    assert await api("listNetworkServiceProviders") == {}
