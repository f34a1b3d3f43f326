"""Port forwarding, static NAT and firewall rules: made, in each other's way, and gone."""

from __future__ import annotations

import asyncio
from typing import Any

from cs import CloudStackApiException

from tests.rules.world import address_for, addresses, guest_on, network_of
from tests.tenant.test_refusals import gone, refusal
from tests.tenant.world import Client, Place


async def scene(client: Client) -> tuple[Any, Any, Any]:
    """A network with a guest, and an address beside the one of source NAT."""
    network = await network_of(client)
    vm = await guest_on(client, network["id"], name="web")
    return network, vm, await address_for(client, network["id"])


def ports(first: int, last: int | None = None, **more: Any) -> dict[str, Any]:
    asked = {"protocol": "TCP", "publicport": first, "privateport": first} | more
    return asked if last is None else asked | {"publicendport": last}


async def forward(client: Client, address: Any, vm: Any, **asked: Any) -> Any:
    target = {"ipaddressid": address["id"], "virtualmachineid": vm["id"]}
    made = await client.job("createPortForwardingRule", **target, **asked)
    return made["portforwardingrule"]


async def test_a_port_leads_to_a_guest_and_opens_the_firewall(here: Place) -> None:
    ann = here.ann
    network, vm, address = await scene(ann)
    rule = await forward(ann, address, vm, **ports(8000, 8009, privateport=9000))
    told = {name: rule[name] for name in ("publicport", "publicendport", "privateport")}
    assert told == {"publicport": "8000", "publicendport": "8009", "privateport": "9000"}
    assert (rule["privateendport"], rule["protocol"], rule["state"]) == ("9009", "tcp", "Active")
    assert (rule["vmguestip"], rule["networkid"]) == (vm["nic"][0]["ipaddress"], network["id"])
    opened = await ann.one("listFirewallRules", "firewallrule", ipaddressid=address["id"])
    assert (opened["startport"], opened["endport"], opened["cidrlist"]) == (8000, 8009, "0.0.0.0/0")
    seen = await ann.one("listPublicIpAddresses", "publicipaddress", id=address["id"])
    assert seen["hasrules"] is True
    assert await here.bob("listPortForwardingRules") == {}
    error = await refusal(here.bob, "deletePortForwardingRule", id=rule["id"])
    assert gone(error, "id", rule["id"])

    moved = await ann.job("updatePortForwardingRule", id=rule["id"], privateport=7000)
    assert moved["portforwardingrule"]["privateendport"] == "7009"
    assert await ann.job("deletePortForwardingRule", id=rule["id"]) == {"success": True}
    assert await ann("listPortForwardingRules") == {} == await ann("listFirewallRules")


async def test_two_rules_do_not_share_a_port(here: Place) -> None:
    ann = here.ann
    network, vm, address = await scene(ann)
    first = await forward(ann, address, vm, **ports(8000, 8009), openfirewall="false")
    assert await ann("listFirewallRules") == {}
    target = {"ipaddressid": address["id"], "virtualmachineid": vm["id"]}
    error = await refusal(ann, "createPortForwardingRule", **target, **ports(8009, 8020))
    assert (error["errorcode"], error["cserrorcode"]) == (537, 4360)
    words = f"The range specified, 8009-8020, conflicts with rule {first['id']} which has 8000-8009"
    assert error["errortext"] == words
    balance = {"algorithm": "source", "name": "lb", "publicport": 8001, "privateport": 80}
    error = await refusal(ann, "createLoadBalancerRule", publicipid=address["id"], **balance)
    assert (error["errorcode"], "conflicts with rule" in error["errortext"]) == (537, True)
    await forward(ann, address, vm, **ports(8009, protocol="udp"))
    other = await address_for(ann, network["id"])
    await forward(ann, other, vm, **ports(8000))
    error = await refusal(
        ann, "enableStaticNat", ipaddressid=address["id"], virtualmachineid=vm["id"]
    )
    assert "has a rule" in error["errortext"]


async def test_of_many_that_want_one_port_one_gets_it(here: Place) -> None:
    ann = here.ann
    _, vm, address = await scene(ann)

    async def one() -> bool:
        try:
            await forward(ann, address, vm, **ports(22))
        except CloudStackApiException as refused:
            assert refused.error["errorcode"] == 537
            return False
        return True

    got = await asyncio.gather(*(one() for _ in range(30)))
    assert sum(got) == 1
    assert (await ann("listPortForwardingRules"))["count"] == 1


async def test_what_is_no_port_forwarding(here: Place) -> None:
    ann = here.ann
    _, vm, address = await scene(ann)
    elsewhere = await network_of(ann, name="other", gateway="10.8.0.1", netmask="255.255.255.0")
    stranger = await guest_on(ann, elsewhere["id"])
    target = {"ipaddressid": address["id"], "virtualmachineid": vm["id"]}

    async def words(**asked: Any) -> str:
        error = await refusal(ann, "createPortForwardingRule", **(target | asked))
        return str(error["errortext"])

    assert "equal sizes" in await words(**ports(80, 89, privateendport=95))
    assert "Invalid port number 70000" in await words(**ports(70000))
    assert "bigger than end port" in await words(**ports(90, 80))
    assert "protocol icmp cannot be used" in await words(**ports(80, protocol="icmp"))
    assert "is no address of" in await words(**ports(80), vmguestip="10.1.1.250")
    assert "is no subnet" in await words(**ports(80), cidrlist="10.1/33")
    assert "is no subnet of IPv4" in await words(**ports(80), cidrlist="::/0")
    assert "is not on network" in await words(**ports(80), virtualmachineid=stranger["id"])
    assert "not " + elsewhere["id"] in await words(**ports(80), networkid=elsewhere["id"])


async def test_static_nat(here: Place) -> None:
    ann = here.ann
    network, vm, address = await scene(ann)
    target = {"ipaddressid": address["id"], "virtualmachineid": vm["id"]}
    assert await ann("enableStaticNat", **target) == {"success": True}
    assert await ann("enableStaticNat", **target) == {"success": True}
    seen = await ann.one("listPublicIpAddresses", "publicipaddress", isstaticnat="true")
    assert (seen["virtualmachineid"], seen["vmipaddress"]) == (vm["id"], vm["nic"][0]["ipaddress"])
    error = await refusal(ann, "createPortForwardingRule", **target, **ports(80))
    assert (error["errorcode"], "There is already" in error["errortext"]) == (537, True)
    spare = await address_for(ann, network["id"])
    error = await refusal(
        ann, "enableStaticNat", ipaddressid=spare["id"], virtualmachineid=vm["id"]
    )
    assert "stands for" in error["errortext"]
    other = await guest_on(ann, network["id"])
    error = await refusal(ann, "enableStaticNat", **(target | {"virtualmachineid": other["id"]}))
    assert "disable its static NAT first" in error["errortext"]

    made = await ann.job(
        "createIpForwardingRule",
        ipaddressid=address["id"], protocol="tcp", startport=80, cidrlist="192.0.2.0/24",
    )  # fmt: skip
    rule = made["ipforwardingrule"]
    assert (rule["startport"], rule["endport"], rule["virtualmachineid"]) == (80, 80, vm["id"])
    opened = await ann.one("listFirewallRules", "firewallrule", ipaddressid=address["id"])
    assert opened["cidrlist"] == "192.0.2.0/24"
    listed = await ann.one("listIpForwardingRules", "ipforwardingrule", virtualmachineid=vm["id"])
    assert listed["id"] == rule["id"]
    assert await ann.job("disableStaticNat", ipaddressid=address["id"]) == {"success": True}
    assert await ann("listIpForwardingRules") == {} == await ann("listFirewallRules")
    error = await refusal(ann, "disableStaticNat", ipaddressid=address["id"])
    assert "has no static NAT" in error["errortext"]


async def test_firewall_rules(here: Place) -> None:
    ann = here.ann
    network, _, address = await scene(ann)
    asked = {"ipaddressid": address["id"], "protocol": "tcp", "startport": 80, "endport": 90}
    made = (await ann.job("createFirewallRule", **asked, cidrlist=["10.2.0.5", "10.3.0.0/16"]))[
        "firewallrule"
    ]
    assert (made["cidrlist"], made["networkid"]) == ("10.2.0.5/32,10.3.0.0/16", network["id"])
    error = await refusal(
        ann, "createFirewallRule", **(asked | {"startport": 90}), cidrlist="10.3.0.0/16"
    )
    assert (error["errorcode"], made["id"] in error["errortext"]) == (537, True)
    await ann.job("createFirewallRule", **asked, cidrlist="10.4.0.0/16")
    ping = {"ipaddressid": address["id"], "protocol": "icmp"}
    icmp = (await ann.job("createFirewallRule", **ping, icmptype=8))["firewallrule"]
    assert (icmp["icmptype"], icmp["icmpcode"], "startport" in icmp) == (8, -1, False)
    assert (await refusal(ann, "createFirewallRule", **ping))["errorcode"] == 537
    error = await refusal(ann, "createFirewallRule", **ping, startport=80)
    assert "icmp has no ports" in error["errortext"]
    error = await refusal(ann, "createFirewallRule", **asked, icmptype=8)
    assert "ICMP protocol only" in error["errortext"]
    error = await refusal(ann, "createFirewallRule", **(asked | {"type": "system"}))
    assert "for root administrators" in error["errortext"]
    kept = await here.admin.job("createFirewallRule", **(asked | {"type": "system"}))
    system_id = kept["firewallrule"]["id"]
    assert "system rule" in (await refusal(ann, "deleteFirewallRule", id=system_id))["errortext"]
    await here.admin.job("updateFirewallRule", id=made["id"], fordisplay="false")
    assert (await ann("listFirewallRules"))["count"] == 3
    for rule_id in (made["id"], icmp["id"]):
        assert await ann.job("deleteFirewallRule", id=rule_id) == {"success": True}


async def test_egress_rules(here: Place) -> None:
    ann = here.ann
    network, _, _ = await scene(ann)
    asked = {"networkid": network["id"], "protocol": "tcp", "startport": 443, "endport": 443}
    made = (await ann.job("createEgressFirewallRule", **asked, destcidrlist="192.0.2.0/24"))[
        "firewallrule"
    ]
    told = (made["cidrlist"], made["destcidrlist"], made["traffictype"], made["networkid"])
    assert told == ("10.1.1.0/24", "192.0.2.0/24", "Egress", network["id"])
    error = await refusal(ann, "createEgressFirewallRule", **asked, destcidrlist="192.0.2.0/24")
    assert (error["errorcode"], "conflicts with rule" in error["errortext"]) == (537, True)
    await ann.job("createEgressFirewallRule", **asked)
    error = await refusal(ann, "createEgressFirewallRule", **asked, cidrlist="10.9.0.0/16")
    assert "is not within 10.1.1.0/24" in error["errortext"]
    error = await refusal(ann, "createEgressFirewallRule", **asked, destcidrlist="::/0")
    assert "destcidrlist: ::/0 is no subnet of IPv4" in error["errortext"]
    every = {"networkid": network["id"], "protocol": "all"}
    assert (await ann.job("createEgressFirewallRule", **every))["firewallrule"]
    assert (await ann("listEgressFirewallRules", networkid=network["id"]))["count"] == 3
    assert await ann.job("deleteEgressFirewallRule", id=made["id"]) == {"success": True}


async def test_everything_goes_with_the_address_the_guest_or_the_network(here: Place) -> None:
    ann = here.ann
    network, vm, address = await scene(ann)
    await forward(ann, address, vm, **ports(22))
    await ann.job("disassociateIpAddress", id=address["id"])
    assert await ann("listPortForwardingRules") == {} == await ann("listFirewallRules")

    (outside,) = await addresses(ann, issourcenat="true")
    lent = await address_for(ann, network["id"])
    await forward(ann, outside, vm, **ports(22))
    await ann("enableStaticNat", ipaddressid=lent["id"], virtualmachineid=vm["id"])
    await here.admin.job("destroyVirtualMachine", id=vm["id"], expunge="true")
    assert await ann("listPortForwardingRules") == {} == await ann("listFirewallRules")
    assert await addresses(ann, isstaticnat="true") == []

    other = await guest_on(ann, network["id"])
    await forward(ann, outside, other, **ports(22))
    await ann.job("createEgressFirewallRule", networkid=network["id"], protocol="udp")
    error = await refusal(ann, "deleteNetwork", id=network["id"])
    assert "in use by virtual machine" in error["errortext"]
    await here.admin.job("destroyVirtualMachine", id=other["id"], expunge="true")
    assert await ann.job("deleteNetwork", id=network["id"]) == {"success": True}
    assert await ann("listEgressFirewallRules") == {} == await ann("listPublicIpAddresses")


async def test_a_network_without_the_service_has_no_such_rule(here: Place) -> None:
    """Neither an offering without it, nor an address with one purpose."""
    admin, ann = here.admin, here.ann
    pairs = [{"service": one, "provider": "VirtualRouter"} for one in ("Dhcp", "SourceNat", "Lb")]
    bare = await admin(
        "createNetworkOffering", name="bare", displaytext="bare", guestiptype="Isolated",
        traffictype="GUEST", supportedservices="Dhcp,SourceNat,Lb", enable="true",
        serviceproviderlist=pairs, conservemode="false",
    )  # fmt: skip
    network = await network_of(ann, networkofferingid=bare["networkoffering"]["id"])
    vm = await guest_on(ann, network["id"])
    address = await address_for(ann, network["id"])
    target = {"ipaddressid": address["id"], "virtualmachineid": vm["id"]}
    error = await refusal(ann, "createPortForwardingRule", **target, **ports(22))
    assert "has no service PortForwarding" in error["errortext"]
    assert (
        "has no service StaticNat" in (await refusal(ann, "enableStaticNat", **target))["errortext"]
    )
    error = await refusal(ann, "createFirewallRule", ipaddressid=address["id"], protocol="tcp")
    assert "has no service Firewall" in error["errortext"]
    (outside,) = await addresses(ann, issourcenat="true")
    balance = {"algorithm": "source", "name": "lb", "publicport": 80, "privateport": 80}
    error = await refusal(ann, "createLoadBalancerRule", publicipid=outside["id"], **balance)
    assert (error["errorcode"], "one purpose" in error["errortext"]) == (537, True)
    made = await ann.job("createLoadBalancerRule", publicipid=address["id"], **balance)
    assert made["loadbalancer"]["publicip"] == address["ipaddress"]
