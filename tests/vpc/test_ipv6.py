"""IPv6 over the wire: prefixes and their subnets, shared networks, and what passes."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.tenant.test_networks import RANGE
from tests.tenant.test_refusals import gone, refusal
from tests.tenant.world import SHARED, ZONE, Place

PREFIX = {"zoneid": str(ZONE), "prefix": "fd17:5:8a43::/62"}


async def dual(here: Place) -> str:
    made = await here.admin(
        "createNetworkOffering", name="dual", guestiptype="Isolated", traffictype="Guest",
        supportedservices="Dhcp,Dns,SourceNat,Firewall", internetprotocol="DualStack",
        enable="true",
    )  # fmt: skip
    return str(made["networkoffering"]["id"])


async def test_networks_take_a_subnet_each(here: Place) -> None:
    offering = await dual(here)
    asked = {"name": "n", "networkofferingid": offering, "zoneid": str(ZONE)}
    error = await refusal(here.ann, "createNetwork", **asked)
    assert "createGuestNetworkIpv6Prefix" in error["errortext"]
    made = await here.admin.job("createGuestNetworkIpv6Prefix", **PREFIX)
    prefix = made["guestnetworkipv6prefix"]
    assert (prefix["totalsubnets"], prefix["usedsubnets"]) == (4, 0)
    answers = await asyncio.gather(*(here.ann("createNetwork", **asked) for _ in range(3)))
    subnets = {one["network"]["ip6cidr"] for one in answers}
    assert subnets == {f"fd17:5:8a43:{n}::/64".replace(":0::", "::") for n in range(3)}
    first = answers[0]["network"]
    assert first["ip6gateway"] == first["ip6cidr"].replace("::/64", "::1")
    seen = await here.admin.one("listGuestNetworkIpv6Prefixes", "guestnetworkipv6prefix")
    assert (seen["usedsubnets"], seen["availablesubnets"]) == (3, 1)
    error = await refusal(here.admin, "deleteGuestNetworkIpv6Prefix", id=prefix["id"])
    assert (error["errorcode"], "network n" in error["errortext"]) == (536, True)
    for one in answers:
        await here.ann.job("deleteNetwork", id=one["network"]["id"])
    await here.admin.job("deleteGuestNetworkIpv6Prefix", id=prefix["id"])


async def test_prefixes_are_checked(here: Place) -> None:
    await here.admin.job("createGuestNetworkIpv6Prefix", **PREFIX)
    for prefix, told in (
        ("fd17:5:8a43::/48", "overlaps fd17:5:8a43::/62"),
        ("fd17::/72", "holds no subnet"),
        ("10.0.0.0/8", "no IPv6 subnet"),
        ("fd17::1/48", "no subnet"),
    ):
        asked = PREFIX | {"prefix": prefix}
        error = await refusal(here.admin, "createGuestNetworkIpv6Prefix", **asked)
        assert told in error["errortext"], error


async def test_a_shared_network_with_ipv6(here: Place) -> None:
    asked: dict[str, Any] = {"name": "s", "networkofferingid": SHARED, "zoneid": str(ZONE)}
    asked |= RANGE | {"vlan": "118"}
    for more, told in (
        ({"ip6cidr": "fd18::/64"}, "given together"),
        ({"ip6cidr": "fd18::/60", "ip6gateway": "fd18::1"}, "must have 64 bits"),
        ({"ip6cidr": "fd18::/64", "ip6gateway": "fd19::1"}, "is not in fd18::/64"),
        ({"ip6cidr": "fd18::/64", "ip6gateway": "x"}, "no IPv6 address"),
    ):
        error = await refusal(here.admin, "createNetwork", **(asked | more))
        assert told in error["errortext"], error
    made = await here.admin("createNetwork", ip6cidr="fd18::/64", ip6gateway="fd18::1", **asked)
    assert (made["network"]["ip6cidr"], made["network"]["ip6gateway"]) == ("fd18::/64", "fd18::1")


async def test_what_passes(here: Place) -> None:
    await here.admin.job("createGuestNetworkIpv6Prefix", **PREFIX)
    asked = {"name": "n", "networkofferingid": await dual(here), "zoneid": str(ZONE)}
    network = (await here.ann("createNetwork", **asked))["network"]
    where = {"networkid": network["id"], "protocol": "tcp"}
    made = await here.ann.job("createIpv6FirewallRule", startport=443, **where)
    rule = made["firewallrule"]
    assert (rule["cidrlist"], rule["endport"], rule["traffictype"]) == ("::/0", 443, "Ingress")
    changed = await here.ann.job("updateIpv6FirewallRule", id=rule["id"], cidrlist="fd20::/32")
    assert changed["firewallrule"]["cidrlist"] == "fd20::/32"
    error = await refusal(here.ann, "createIpv6FirewallRule", cidrlist="10.0.0.0/8", **where)
    assert "no IPv6 subnet" in error["errortext"]
    error = await refusal(here.bob, "deleteIpv6FirewallRule", id=rule["id"])
    assert gone(error, "id", rule["id"])
    found = await here.ann.one("listIpv6FirewallRules", "firewallrule", networkid=network["id"])
    assert found["id"] == rule["id"]
    await here.ann.job("deleteNetwork", id=network["id"])
    assert await here.ann("listIpv6FirewallRules") == {}


async def test_a_range_with_ipv6(here: Place) -> None:
    asked = {"gateway": "203.0.113.1", "netmask": "255.255.255.0", "zoneid": str(ZONE)}
    asked |= {"startip": "203.0.113.9", "forvirtualnetwork": "true", "ip6cidr": "fd18::/64"}
    both = asked | {"ip6gateway": "fd18::1", "startipv6": "fd18::10", "endipv6": "fd18::1f"}
    for more, told in (
        ({"ip6gateway": ""}, "given together"),
        ({"startipv6": ""}, "needs startipv6"),
        ({"endipv6": "fd18::9"}, "swap them"),
        ({"endipv6": "fd19::9"}, "is not in fd18::/64"),
    ):
        error = await refusal(here.admin, "createVlanIpRange", **(both | more))
        assert told in error["errortext"], error
    made = (await here.admin("createVlanIpRange", **both))["vlan"]
    assert (made["ip6cidr"], made["startipv6"], made["endipv6"]) == (
        "fd18::/64",
        "fd18::10",
        "fd18::1f",
    )
