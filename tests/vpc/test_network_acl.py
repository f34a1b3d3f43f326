"""The lines of access lists: numbers, order, moves, and what a line may say."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from tests.tenant.test_refusals import refusal
from tests.tenant.world import Client, Place
from tests.vpc.parts import make_line, make_list, make_tier, make_vpc


async def order(client: Client, acl: Any) -> list[tuple[int, str]]:
    found = await client("listNetworkACLs", aclid=acl["id"])
    return [(one["number"], one["reason"]) for one in found["networkacl"]]


async def test_lines_are_numbered_changed_and_taken_out(here: Place) -> None:
    vpc = await make_vpc(here.ann)
    acl = await make_list(here.ann, vpc)
    web = await make_line(here.ann, acl, startport=80, cidrlist="10.0.0.0/8,192.0.2.0/24")
    assert (web["number"], web["action"], web["traffictype"]) == (1, "Allow", "Ingress")
    assert (web["startport"], web["endport"], web["cidrlist"]) == (
        "80",
        "80",
        "10.0.0.0/8,192.0.2.0/24",
    )
    ping = await make_line(here.ann, acl, protocol="icmp", number=20, action="deny")
    assert (ping["cidrlist"], ping["icmptype"], ping["action"]) == ("0.0.0.0/0", -1, "Deny")
    last = await make_line(here.ann, acl, protocol="all", traffictype="egress")
    assert (last["number"], last["traffictype"]) == (21, "Egress")
    error = await refusal(here.ann, "createNetworkACL", aclid=acl["id"], protocol="tcp", number=20)
    assert "number 20 already exists" in error["errortext"]

    changed = await here.ann.job("updateNetworkACLItem", id=web["id"], action="deny", endport=90)
    assert (changed["networkacl"]["action"], changed["networkacl"]["endport"]) == ("Deny", "90")
    changed = await here.ann.job("updateNetworkACLItem", id=web["id"], protocol="icmp")
    assert "startport" not in changed["networkacl"] and changed["networkacl"]["icmptype"] == -1
    changed = await here.ann.job(
        "updateNetworkACLItem", id=web["id"], protocol="udp", partialupgrade="false"
    )
    assert (changed["networkacl"]["action"], changed["networkacl"]["cidrlist"]) == (
        "Allow",
        "0.0.0.0/0",
    )
    found = await here.ann("listNetworkACLs", aclid=acl["id"], traffictype="Egress")
    assert [one["id"] for one in found["networkacl"]] == [last["id"]]
    tier = await make_tier(here.ann, vpc, aclid=acl["id"])
    found = await here.ann("listNetworkACLs", networkid=tier["id"])
    assert found["count"] == 3
    await here.ann.job("deleteNetworkACL", id=ping["id"])
    assert (await here.ann("listNetworkACLs", aclid=acl["id"]))["count"] == 2


async def test_a_line_is_moved_and_others_give_way(here: Place) -> None:
    acl = await make_list(here.ann, await make_vpc(here.ann))
    lines = [await make_line(here.ann, acl, reason=word) for word in "abcd"]
    a, b, c, d = (one["id"] for one in lines)
    await here.ann.job("moveNetworkAclItem", id=d, previousaclruleid=a)
    assert await order(here.ann, acl) == [(1, "a"), (2, "d"), (3, "b"), (4, "c")]
    await here.ann.job("moveNetworkAclItem", id=c, nextaclruleid=a)
    assert await order(here.ann, acl) == [(1, "c"), (2, "a"), (3, "d"), (4, "b")]
    await here.ann.job("moveNetworkAclItem", id=c, previousaclruleid=d, nextaclruleid=b)
    assert [word for _, word in await order(here.ann, acl)] == ["a", "d", "c", "b"]
    error = await refusal(
        here.ann, "moveNetworkAclItem", id=c, previousaclruleid=a, nextaclruleid=b
    )
    assert "not next to each other" in error["errortext"]
    error = await refusal(here.ann, "moveNetworkAclItem", id=c)
    assert "say where" in error["errortext"]
    digest = hashlib.md5("".join((a, d, c, b)).encode()).hexdigest()
    right = {"id": b, "previousaclruleid": a, "aclconsistencyhash": digest}
    await here.ann.job("moveNetworkAclItem", **right)
    error = await refusal(here.ann, "moveNetworkAclItem", **right)
    assert "has changed meanwhile" in error["errortext"]


async def test_lines_added_at_once_have_numbers_of_their_own(here: Place) -> None:
    acl = await make_list(here.ann, await make_vpc(here.ann))
    await asyncio.gather(*(make_line(here.ann, acl) for _ in range(6)))
    found = await here.ann("listNetworkACLs", aclid=acl["id"])
    assert [one["number"] for one in found["networkacl"]] == [1, 2, 3, 4, 5, 6]


async def test_what_a_line_cannot_say(here: Place) -> None:
    acl = await make_list(here.ann, await make_vpc(here.ann))
    for more, told in (
        ({"protocol": "tcp", "startport": 9, "endport": 8}, "swap them"),
        ({"protocol": "all", "startport": 9}, "leave them out"),
        ({"protocol": "tcp", "cidrlist": "300.0.0.0/8"}, "no subnet"),
        ({"protocol": "bgp"}, "a number from 0 to 255"),
        ({"protocol": "tcp", "startport": 0, "endport": 80}, "must be at least 1"),
    ):
        error = await refusal(here.ann, "createNetworkACL", aclid=acl["id"], **more)
        assert (error["errorcode"], told in error["errortext"]) == (431, True), error
    error = await refusal(here.ann, "createNetworkACL", protocol="tcp")
    assert "name the list by aclid" in error["errortext"]
    error = await refusal(here.ann, "createNetworkACLList", name="RULES", vpcid=acl["vpcid"])
    assert "choose another name" in error["errortext"]
