"""Load balancers: their guests, their stickiness and their health checks."""

from __future__ import annotations

from typing import Any

from tests.rules.world import address_for, addresses, guest_on, network_of
from tests.tenant.test_refusals import gone, refusal
from tests.tenant.world import Client, Place

BALANCE = {"algorithm": "roundrobin", "publicport": 80, "privateport": 8080}


async def balancer(client: Client, address: Any, **more: Any) -> Any:
    asked = BALANCE | {"name": "lb", "publicipid": address["id"]} | more
    return (await client.job("createLoadBalancerRule", **asked))["loadbalancer"]


async def test_guests_take_connections(here: Place) -> None:
    ann = here.ann
    network = await network_of(ann)
    one, two = [await guest_on(ann, network["id"], name=name) for name in ("one", "two")]
    address = await address_for(ann, network["id"])
    rule = await balancer(ann, address, description="the web", cidrlist="192.0.2.0/24")
    assert (rule["publicport"], rule["privateport"], rule["protocol"]) == ("80", "8080", "tcp")
    assert (rule["state"], rule["networkid"], rule["publicipid"]) == (
        "Add",
        network["id"],
        address["id"],
    )
    assert (await ann.one("listFirewallRules", "firewallrule"))["cidrlist"] == "192.0.2.0/24"
    ids = f"{one['id']},{two['id']}"
    assert await ann.job(
        "assignToLoadBalancerRule", id=rule["id"], virtualmachineids=ids
    ) == {"success": True}  # fmt: skip
    assert (await ann.one("listLoadBalancerRules", "loadbalancerrule"))["state"] == "Active"
    error = await refusal(
        ann, "assignToLoadBalancerRule", id=rule["id"], virtualmachineids=one["id"]
    )
    assert "already mapped to load balancer" in error["errortext"]
    listed = await ann("listLoadBalancerRuleInstances", id=rule["id"])
    names = [vm["name"] for vm in listed["loadbalancerruleinstance"]]
    assert (listed["count"], names) == (2, ["one", "two"])
    listed = await ann("listLoadBalancerRuleInstances", id=rule["id"], lbvmips="true")
    first = listed["loadbalancerruleinstance"][0]
    assert first["lbvmipaddresses"] == [one["nic"][0]["ipaddress"]]
    assert first["loadbalancerruleinstance"]["id"] == one["id"]
    found = await ann.one("listLoadBalancerRules", "loadbalancerrule", virtualmachineid=one["id"])
    assert found["id"] == rule["id"]

    gone_too = await refusal(here.bob, "listLoadBalancerRuleInstances", id=rule["id"])
    assert gone(gone_too, "id", rule["id"])
    await ann.job("removeFromLoadBalancerRule", id=rule["id"], virtualmachineids=one["id"])
    error = await refusal(
        ann, "removeFromLoadBalancerRule", id=rule["id"], virtualmachineids=one["id"]
    )
    assert "takes no connections" in error["errortext"]
    await here.admin.job("destroyVirtualMachine", id=two["id"], expunge="true")
    assert await ann("listLoadBalancerRuleInstances", id=rule["id"]) == {}
    waiting = await ann("listLoadBalancerRuleInstances", id=rule["id"], applied="false")
    assert [vm["id"] for vm in waiting["loadbalancerruleinstance"]] == [one["id"]]
    changed = await ann.job("updateLoadBalancerRule", id=rule["id"], algorithm="leastconn")
    assert changed["loadbalancer"]["algorithm"] == "leastconn"
    assert await ann.job("deleteLoadBalancerRule", id=rule["id"]) == {"success": True}
    assert await ann("listLoadBalancerRules") == {} == await ann("listFirewallRules")


async def test_guests_by_one_of_their_addresses(here: Place) -> None:
    ann = here.ann
    network = await network_of(ann)
    vm = await guest_on(ann, network["id"])
    more = (await ann.job("addIpToNic", nicid=vm["nic"][0]["id"]))["nicsecondaryip"]
    rule = await balancer(ann, await address_for(ann, network["id"]))
    pairs = [{"vmid": vm["id"], "vmip": more["ipaddress"]}]
    await ann.job("assignToLoadBalancerRule", id=rule["id"], vmidipmap=pairs)
    listed = await ann("listLoadBalancerRuleInstances", id=rule["id"], lbvmips="true")
    (row,) = listed["loadbalancerruleinstance"]
    assert row["lbvmipaddresses"] == [more["ipaddress"]]
    error = await refusal(ann, "removeIpFromNic", id=more["id"])
    assert (error["errorcode"], rule["id"] in error["errortext"]) == (536, True)
    bad = [{"vmid": vm["id"], "vmip": "10.1.1.200"}]
    error = await refusal(ann, "assignToLoadBalancerRule", id=rule["id"], vmidipmap=bad)
    assert "is no address of" in error["errortext"]
    assert (await refusal(ann, "assignToLoadBalancerRule", id=rule["id"]))["errorcode"] == 431


async def test_a_rule_takes_an_address_of_its_own(here: Place) -> None:
    ann = here.ann
    network = await network_of(ann)
    asked = BALANCE | {"name": "lb"}
    made = (await ann.job("createLoadBalancerRule", **asked, networkid=network["id"]))[
        "loadbalancer"
    ]
    (address,) = await addresses(ann, forloadbalancing="true")
    assert (address["id"], address["associatednetworkid"]) == (made["publicipid"], network["id"])
    assert (await refusal(ann, "createLoadBalancerRule", **asked))["errorcode"] == 431
    error = await refusal(
        ann, "createLoadBalancerRule", **(asked | {"algorithm": "best"}), networkid=network["id"]
    )
    assert (error["errorcode"], "algorithm" in error["errortext"]) == (431, True)


async def test_stickiness(here: Place) -> None:
    ann = here.ann
    network = await network_of(ann)
    rule = await balancer(ann, await address_for(ann, network["id"]))
    bare = await ann.one("listLBStickinessPolicies", "stickinesspolicies", lbruleid=rule["id"])
    assert (bare["lbruleid"], bare["stickinesspolicy"]) == (rule["id"], [])
    asked = {"lbruleid": rule["id"], "name": "sticky"}

    async def words(**more: Any) -> str:
        error = await refusal(ann, "createLBStickinessPolicy", **asked, **more)
        return str(error["errortext"])

    assert "is none of LbCookie" in await words(methodname="Magnet")
    source = {"methodname": "SourceBased"}
    assert "has no parameter holdtime" in await words(
        **source, param=[{"name": "holdtime", "value": "1h"}]
    )
    assert "cannot be 'soon'" in await words(**source, param=[{"name": "expire", "value": "soon"}])
    made = (
        await ann.job(
            "createLBStickinessPolicy", **asked, methodname="lbcookie",
            param=[{"name": "cookie-name", "value": "SRV"}, {"name": "mode", "value": "insert"}],
        )
    )["stickinesspolicies"]  # fmt: skip
    (policy,) = made["stickinesspolicy"]
    assert (policy["methodname"], policy["name"], policy["state"]) == (
        "LbCookie",
        "sticky",
        "Active",
    )
    assert policy["params"] == {"cookie-name": "SRV", "mode": "insert"}
    assert "already" in await words(methodname="SourceBased")
    listed = await ann.one("listLBStickinessPolicies", "stickinesspolicies", id=policy["id"])
    assert listed["stickinesspolicy"][0]["id"] == policy["id"]
    assert await ann.job("deleteLBStickinessPolicy", id=policy["id"]) == {"success": True}
    error = await refusal(ann, "deleteLBStickinessPolicy", id=policy["id"])
    assert gone(error, "id", policy["id"])


async def test_health_checks(here: Place) -> None:
    ann = here.ann
    network = await network_of(ann)
    rule = await balancer(ann, await address_for(ann, network["id"]))
    asked = {"lbruleid": rule["id"], "pingpath": "/health", "intervaltime": 20}
    made = (await ann.job("createLBHealthCheckPolicy", **asked, responsetimeout=3))[
        "healthcheckpolicies"
    ]
    (policy,) = made["healthcheckpolicy"]
    assert (policy["pingpath"], policy["healthcheckinterval"], policy["responsetime"]) == (
        "/health",
        20,
        3,
    )
    for path in ("health", "/a b", "/a#b", "/\u00e4"):
        bad = {"lbruleid": rule["id"], "pingpath": path}
        error = await refusal(ann, "createLBHealthCheckPolicy", **bad)
        assert "is no path" in error["errortext"], path
    assert (await refusal(ann, "createLBHealthCheckPolicy", **asked))["errorcode"] == 431
    listed = await ann.one("listLBHealthCheckPolicies", "healthcheckpolicies", lbruleid=rule["id"])
    assert listed["healthcheckpolicy"] == [policy]
    assert await ann.job("deleteLoadBalancerRule", id=rule["id"]) == {"success": True}
    error = await refusal(ann, "deleteLBHealthCheckPolicy", id=policy["id"])
    assert gone(error, "id", policy["id"])
