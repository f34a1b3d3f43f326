"""Routers are on hosts as the log has them, whatever happens to either."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.cloud import deploy as deployed
from benchmarks.cloud import engine_in, furnish
from drivers.contract.routing import (
    Balance,
    Check,
    Cookie,
    Proxied,
    RouterSpec,
)
from drivers.sim import SimDriver
from drivers.sim.world import SimWorld
from engine.clock import SystemClock
from engine.intents import SYSTEM
from engine.intents.host import HostLost
from engine.routing import keeper
from projections.router_place import router_places
from sagastack.boot import controller
from sagastack.monitor.folds import families
from sagastack.settings import Settings
from tests.network.routed import (
    domains,
    hasty,
    here,
    leased,
    lets_in,
    outside,
    router_of,
    row,
    served,
    soon,
    there,
    world,
)
from tests.rules.world import add_public, address_for, guest_on, network_of
from tests.tenant.world import ZONE, Place, named, place
from tests.vpc.parts import ALLOW, make_line, make_list, make_tier, make_vpc

__all__ = ["hasty", "here"]


async def test_a_router_is_told_all_that_its_network_has(here: Place) -> None:
    ann = here.ann
    network = await network_of(ann, networkdomain="ann.test")
    vm = await guest_on(ann, network["id"], name="web")
    spec = await served(here)
    (nic,) = vm["nic"]
    (net,) = spec.nets
    (lease,) = await leased(here, "web")
    assert (lease.mac, lease.ip4) == (nic["macaddress"], nic["ipaddress"])
    assert (str(lease.nic_id), lease.domain) == (nic["id"], "ann.test")
    assert (net.gateway, net.cidr, net.domain) == ("10.1.1.1", "10.1.1.0/24", "ann.test")
    assert spec.resolvers == ("192.0.2.1",) and net.segment.vlan in range(100, 120)
    assert spec.uplink is not None and spec.uplink.gateway == "198.51.100.1"
    assert spec.uplink.addresses == (f"{spec.uplink.source_nat}/24",)

    extra = await address_for(ann, network["id"])
    on = {"ipaddressid": extra["id"]}
    ports = {"protocol": "TCP", "publicport": 2222, "privateport": 22}
    rule = await ann.job("createPortForwardingRule", virtualmachineid=vm["id"], **on, **ports)
    spec = await served(here, lambda one: bool(one.forwards and one.nets[0].comes))
    (forward,), (admission,) = spec.forwards, spec.nets[0].comes
    assert (forward.first_port, forward.to_ip4, forward.to_first_port) == (
        2222,
        nic["ipaddress"],
        22,
    )
    assert (admission.address, admission.traffic.first_port) == (extra["ipaddress"], 2222)

    await ann.job("createEgressFirewallRule", networkid=network["id"], protocol="all")
    await served(here, lambda one: bool(one.nets[0].goes))
    await ann.job("deletePortForwardingRule", id=rule["portforwardingrule"]["id"])
    await served(here, lambda one: not one.forwards and not one.nets[0].comes)
    await ann("enableStaticNat", virtualmachineid=vm["id"], **on)
    await served(here, lambda one: bool(one.static_nats))
    await ann.job("disassociateIpAddress", id=extra["id"])
    await served(here, lambda one: not one.static_nats and len(outside(one)) == 1)

    await guest_on(ann, network["id"], name="second")
    await leased(here, "web", "second")
    await ann("updateVirtualMachine", id=vm["id"], name="first")
    await leased(here, "first", "second")
    await ann.job("updateNetwork", id=network["id"], networkdomain="other.test")
    await soon("all are of the other domain", lambda: domains(here) == {"other.test"})
    await here.admin.job("destroyVirtualMachine", id=vm["id"], expunge="true")
    await leased(here, "second")


async def test_it_runs_beside_its_guests_and_says_where(here: Place) -> None:
    network = await network_of(here.ann)
    await guest_on(here.ann, network["id"])
    await served(here)
    seen = await here.admin.one("listVirtualMachines", "virtualmachine", listall="true")
    router = await router_of(here)
    assert router["hostid"] == seen["hostid"] and router["id"]
    assert (router["hypervisor"], router["podname"]) == ("Simulator", "p1")
    await soon("its host has said so", lambda: row(here).known_at_ms)
    told = await here.admin("getRouterHealthCheckResults", routerid=router["id"])
    found = told["routerhealthchecks"]["healthchecks"]
    assert [(one["checkname"], one["success"], one["status"]) for one in found] == [
        ("data path", True, "SUCCESS")
    ]
    assert (await here.admin("listRouters", hostid=router["hostid"], listall="true"))["count"] == 1
    assert await here.admin("listRouters", hostid=str(named("host 3")), listall="true") == {}
    assert await here.admin("listRouters", clusterid=str(named("cluster spare"))) == {}


async def test_metrics_tell_routers_by_how_they_are(here: Place) -> None:
    def told() -> dict[str, float]:
        found = {one.name: one for one in families(here.controller.cloud)}["routers"]
        return {labels["state"]: value for _, labels, value in found.samples}

    assert told() == {"well": 0, "ailing": 0, "record": 0}
    network = await network_of(here.ann)
    await guest_on(here.ann, network["id"])
    await soon("it is well", lambda: told()["well"] == 1)
    await here.admin.job("stopRouter", id=(await router_of(here))["id"])
    await soon("it is a record", lambda: told() == {"well": 0, "ailing": 0, "record": 1})


async def test_it_stops_starts_and_ends_as_it_is_told(here: Place) -> None:
    network = await network_of(here.ann)
    vm = await guest_on(here.ann, network["id"])
    first = await served(here)
    router = await router_of(here)
    await here.admin.job("stopRouter", id=router["id"])
    await soon("nothing runs", lambda: not there(here))
    await soon("and the log has it nowhere", lambda: not len(here.controller.cloud[router_places]))
    await here.admin.job("startRouter", id=router["id"])
    again = await served(here, lambda one: one.life != first.life)
    await here.admin.job("rebootRouter", id=router["id"])
    await served(here, lambda one: one.life != again.life)
    await here.ann.job("restartNetwork", id=network["id"], cleanup="true")
    await served(here, lambda one: one.router_id != first.router_id)
    await here.admin.job("destroyVirtualMachine", id=vm["id"], expunge="true")
    await here.ann.job("deleteNetwork", id=network["id"])
    await soon("nothing is left", lambda: not there(here))
    await soon("nor in the log", lambda: not len(here.controller.cloud[router_places]))


async def test_a_lost_host_is_given_up_and_cleared_when_it_is_back(here: Place) -> None:
    network = await network_of(here.ann)
    await guest_on(here.ann, network["id"])
    await served(here)
    before = await router_of(here)
    (url,) = [url for url, _ in there(here)]
    world(here).partition(url)
    await here.controller.engine.decide(HostLost(id=UUID(before["hostid"]), why="test"), SYSTEM)
    await soon("it runs on another host too", lambda: len(there(here)) == 2)
    after = await router_of(here)
    assert after["hostid"] != before["hostid"]
    assert len(here.controller.cloud[router_places]) == 2, "the log forgot where it was"
    world(here).heal()
    await here.admin.job("reconnectHost", id=before["hostid"])
    spec = await served(here)
    assert there(here)[0][0] != url and str(spec.router_id) == after["id"]
    await soon("the log has one place", lambda: len(here.controller.cloud[router_places]) == 1)


async def test_a_host_that_restarts_is_told_again(here: Place) -> None:
    network = await network_of(here.ann)
    await guest_on(here.ann, network["id"])
    spec = await served(here)
    (url,) = [url for url, _ in there(here)]
    world(here).routers[url].clear()
    assert await served(here) == spec


async def test_it_leaves_a_host_that_is_to_be_worked_on(here: Place) -> None:
    network = await network_of(here.ann)
    await guest_on(here.ann, network["id"])
    await served(here)
    before = await router_of(here)
    (url,) = [url for url, _ in there(here)]
    await here.admin.job("prepareHostForMaintenance", id=before["hostid"])
    await soon("it is elsewhere", lambda: len(there(here)) == 1 and there(here)[0][0] != url)
    assert (await router_of(here))["hostid"] != before["hostid"]


async def test_a_host_that_is_removed_keeps_none(here: Place) -> None:
    network = await network_of(here.ann)
    vm = await guest_on(here.ann, network["id"])
    await served(here)
    before = await router_of(here)
    (url,) = [url for url, _ in there(here)]
    await here.ann.job("stopVirtualMachine", id=vm["id"])
    await here.admin("deleteHost", id=before["hostid"])
    assert not world(here).routers[url]
    await soon("it runs elsewhere", lambda: len(there(here)) == 1 and there(here)[0][0] != url)
    await soon("it has one place", lambda: len(here.controller.cloud[router_places]) == 1)


async def test_an_operator_may_want_none_on_hosts(here: Place) -> None:
    network = await network_of(here.ann)
    await guest_on(here.ann, network["id"])
    await served(here)
    off = {"name": "network.router.on.hosts", "zoneid": str(ZONE)}
    await here.admin("updateConfiguration", value="false", **off)
    await soon("none is on a host", lambda: not there(here))
    await soon("it is a record", lambda: row(here).host_id is None)
    assert row(here).state == "Running"
    await here.admin("updateConfiguration", value="true", **off)
    await served(here)


async def test_a_router_that_finds_no_host_says_so(here: Place) -> None:
    network = await network_of(here.ann)
    vm = await guest_on(here.ann, network["id"])
    await served(here)
    await here.ann.job("stopVirtualMachine", id=vm["id"])
    for number in (1, 2, 3):
        await here.admin.job("prepareHostForMaintenance", id=str(named(f"host {number}")))
    await soon("it says so", lambda: row(here).trouble == keeper.NOWHERE)
    assert row(here).host_id is None and not there(here)
    await here.admin.job("cancelHostMaintenance", id=str(named("host 2")))
    await served(here)
    await soon("it is well again", lambda: not row(here).trouble)


async def test_a_vpc_is_served_by_one_router(here: Place) -> None:
    ann = here.ann
    vpc = await make_vpc(ann)
    acl = await make_list(ann, vpc)
    await make_line(ann, acl, number=1, startport=80, endport=80, cidrlist="10.4.1.0/24")
    first = await make_tier(ann, vpc, 1)
    second = await make_tier(ann, vpc, 2, aclid=acl["id"])
    assert not there(here), "a router without guests runs"
    await guest_on(ann, first["id"], name="one")
    await served(here, lambda one: [net.gateway for net in one.nets] == ["10.4.1.1"])
    vm = await guest_on(ann, second["id"], name="two")
    spec = await served(here, lambda one: len(one.nets) == 2)
    assert spec.uplink is not None and len(spec.uplink.addresses) == 1
    nets = {net.gateway: net for net in spec.nets}
    closed, lined = nets["10.4.1.1"], nets["10.4.2.1"]
    assert [line.allow for line in closed.comes] in ([], [False]) and not closed.comes_open
    (line,) = lined.comes
    assert (line.traffic.sources, line.traffic.first_port) == (("10.4.1.0/24",), 80)
    assert (line.allow, line.address, lined.goes_open) == (True, "", True)

    await make_line(ann, acl, number=2, traffictype="egress", action="deny", cidrlist="0.0.0.0/0")

    def is_shut(one: RouterSpec) -> bool:
        return any(line.allow is False for net in one.nets for line in net.goes)

    await served(here, is_shut)
    outside = (await ann.job("associateIpAddress", vpcid=vpc["id"]))["ipaddress"]
    ports = {"protocol": "tcp", "publicport": 22, "privateport": 22, "networkid": second["id"]}
    await ann.job(
        "createPortForwardingRule",
        ipaddressid=outside["id"],
        virtualmachineid=vm["id"],
        **ports,
    )
    await served(here, lambda one: [f.address for f in one.forwards] == [outside["ipaddress"]])
    await ann.job("replaceNetworkACLList", aclid=ALLOW, networkid=first["id"])
    await served(here, lambda one: lets_in(one, "10.4.1.1"))
    await here.admin.job("destroyVirtualMachine", id=vm["id"], expunge="true")
    await ann.job("deleteNetwork", id=second["id"])
    await served(here, lambda one: [net.gateway for net in one.nets] == ["10.4.1.1"])


async def test_what_a_router_cannot_do_is_told(here: Place) -> None:
    ann = here.ann
    network = await network_of(ann)
    vm = await guest_on(ann, network["id"])
    outside = await address_for(ann, network["id"])
    rule = await ann.job(
        "createLoadBalancerRule",
        publicipid=outside["id"],
        name="web",
        algorithm="leastconn",
        protocol="udp",
        publicport=80,
        privateport=80,
    )
    balancer = rule["loadbalancer"]["id"]
    await ann.job("assignToLoadBalancerRule", id=balancer, virtualmachineids=vm["id"])
    await served(here, lambda one: bool(one.balances))

    await soon("it says what it lacks", lambda: row(here).trouble)
    asked = {"listall": "true", "healthchecksfailed": "true", "fetchhealthcheckresults": "true"}
    found = (await here.admin("listRouters", **asked))["router"]
    (check,) = found[0]["healthcheckresults"]
    assert "rule web is of udp: its guests take turns" in check["details"]
    await ann.job("updateLoadBalancerRule", id=balancer, algorithm="source")
    await served(here, lambda one: bool(one.balances) and one.balances[0].by_source)
    await soon("it lacks nothing", lambda: not row(here).trouble)
    assert await here.admin("listRouters", **asked) == {}


async def test_what_balancers_are_asked_for_is_told(here: Place) -> None:
    ann = here.ann
    network = await network_of(ann)
    vm = await guest_on(ann, network["id"])
    outside = await address_for(ann, network["id"])
    asked = {"publicipid": outside["id"], "algorithm": "leastconn", "privateport": 8080}

    async def ruled(port: int, **more: str) -> str:
        made = await ann.job(
            "createLoadBalancerRule", name=f"r{port}", publicport=port, **asked | more
        )
        found: str = made["loadbalancer"]["id"]
        await ann.job("assignToLoadBalancerRule", id=found, virtualmachineids=vm["id"])
        return found

    def balance(port: int) -> Balance:
        return next(one for _, spec in there(here) for one in spec.balances if one.port == port)

    async def is_told(port: int, **how: Any) -> None:
        wanted = Proxied(**how)
        told = [one.port for _, spec in there(here) for one in spec.balances]
        await soon(f"{port} of {told} is told {wanted}", lambda: balance(port).proxied == wanted)

    web = await ruled(80)
    await served(here, lambda one: bool(one.balances))
    await is_told(80, to_fewest=True)
    assert balance(80).members == ((vm["nic"][0]["ipaddress"], 8080),)
    await ann.job("updateLoadBalancerRule", id=web, algorithm="roundrobin")
    await soon("packets do", lambda: balance(80).proxied is None)
    how = {
        "methodname": "LbCookie",
        "param[0].name": "cookie-name",
        "param[0].value": "WHERE",
        "param[1].name": "nocache",
        "param[1].value": "true",
    }
    made = await ann.job("createLBStickinessPolicy", lbruleid=web, name="sticky", **how)
    await is_told(80, cookie=Cookie(name="WHERE", words=("nocache",)))
    policy = made["stickinesspolicies"]["stickinesspolicy"][0]["id"]
    await ann.job("deleteLBStickinessPolicy", id=policy)
    await soon("packets do again", lambda: balance(80).proxied is None)
    await ann.job("createLBHealthCheckPolicy", lbruleid=web, pingpath="/well", intervaltime="7")
    check = Check(path="/well", interval_s=7, timeout_s=2, healthy=2, unhealthy=10)
    await is_told(80, check=check)
    await ruled(81, protocol="tcp-proxy", algorithm="source")
    await served(here, lambda one: len(one.balances) == 2)
    await is_told(81, tells_caller=True)
    assert balance(81).by_source and not row(here).trouble


async def test_a_new_life_finds_what_the_last_one_left(tmp_path: Path) -> None:
    """The simulated hosts outlive the controller; what it was about to do is done by the next."""
    world_file = str(tmp_path / "world")
    async with place(tmp_path / "cloud", state=world_file) as here:
        await add_public(here.controller)
        network = await network_of(here.ann)
        await guest_on(here.ann, network["id"])
        await served(here)
        (url,) = [url for url, _ in there(here)]
        world(here).partition(url)
        await here.admin.job("stopRouter", id=(await router_of(here))["id"])
        assert there(here), "a host that is out of reach has let go of it"
    settings = Settings(home=tmp_path / "cloud", port=0, simulator={"state": world_file})
    async with controller(settings) as again:
        driver = again.drivers.get("Simulator")
        assert isinstance(driver, SimDriver)
        driver.world.heal()
        await soon(
            "nothing is left",
            lambda: not any(driver.world.routers.values()) and not len(again.cloud[router_places]),
        )


async def test_who_takes_over_again_knows_nothing_of_before(tmp_path: Path) -> None:
    """Of several controllers one sees to routers. While it is another, this one hears nothing."""
    simulated = SimWorld()
    async with engine_in(tmp_path, SimDriver(simulated)) as bed:
        await furnish(bed.engine, host_count=2)
        one = keeper.RouterKeeper(bed.log, bed.engine, bed.hosts, SystemClock())

        def names() -> list[str]:
            held = [router for on in simulated.routers.values() for router in on.values()]
            return sorted(lease.name for router in held for lease in router.leases.values())

        for wanted in (["first"], ["first", "second"]):
            await bed.engine.perform(deployed(wanted[-1]), SYSTEM)
            task = asyncio.create_task(one.run())
            await soon(f"{wanted} are told", lambda wanted=wanted: names() == wanted)
            task.cancel()
            await asyncio.wait([task])
