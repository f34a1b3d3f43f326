"""Security groups over the wire: rules, names, the default one, and what keeps a group."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.tenant.test_refusals import gone, refusal
from tests.tenant.world import Client, Place

INGRESS, EGRESS = "authorizeSecurityGroupIngress", "authorizeSecurityGroupEgress"


async def make(client: Client, name: str = "web", **more: Any) -> Any:
    return (await client("createSecurityGroup", name=name, **more))["securitygroup"]


async def test_rules_are_added_shown_and_taken_away(here: Place) -> None:
    group = await make(here.ann, description="the web")
    assert (group["ingressrule"], group["account"]) == ([], "ann")
    ssh = {"protocol": "TCP", "startport": 22, "endport": 22}
    added = await here.ann.job(
        INGRESS, securitygroupid=group["id"], cidrlist="10.0.0.0/8,192.0.2.0/24", **ssh
    )
    rules = added["securitygroup"]["ingressrule"]
    assert [(one["protocol"], one["cidr"]) for one in rules] == [
        ("tcp", "10.0.0.0/8"),
        ("tcp", "192.0.2.0/24"),
    ]
    added = await here.ann.job(INGRESS, securitygroupname="WEB", protocol="1", cidrlist="0.0.0.0/0")
    (ping,) = added["securitygroup"]["ingressrule"]
    assert (ping["protocol"], ping["icmptype"], ping["icmpcode"]) == ("icmp", -1, -1)
    out = await here.ann.job(EGRESS, securitygroupid=group["id"], cidrlist="0.0.0.0/0")
    (everything,) = out["securitygroup"]["egressrule"]
    assert everything["protocol"] == "all"

    seen = await here.ann.one("listSecurityGroups", "securitygroup", securitygroupname="web")
    assert (len(seen["ingressrule"]), len(seen["egressrule"])) == (3, 1)
    error = await refusal(here.ann, "revokeSecurityGroupIngress", id=everything["ruleid"])
    assert "use revokeSecurityGroupEgress" in error["errortext"]
    await here.ann.job("revokeSecurityGroupIngress", id=ping["ruleid"])
    await here.ann.job("revokeSecurityGroupEgress", id=everything["ruleid"])
    seen = await here.ann.one("listSecurityGroups", "securitygroup", id=group["id"])
    assert (len(seen["ingressrule"]), len(seen["egressrule"])) == (2, 0)
    await here.ann("deleteSecurityGroup", name="web")
    assert await here.ann("listSecurityGroups") == {}


async def test_what_says_nothing_is_refused(here: Place) -> None:
    group = await make(here.ann)
    there = {"securitygroupid": group["id"]}
    for params, told in (
        ({"protocol": "tcp", "cidrlist": "0.0.0.0/0"}, "give startport"),
        ({"protocol": "tcp", "startport": 9, "endport": 2, "cidrlist": "0.0.0.0/0"}, "swap"),
        ({"protocol": "gre?", "cidrlist": "0.0.0.0/0"}, "tcp, udp, icmp, all, or a number"),
        ({"protocol": "47", "startport": 9, "cidrlist": "0.0.0.0/0"}, "leave them out"),
        ({"protocol": "icmp", "icmpcode": 1, "cidrlist": "0.0.0.0/0"}, "needs its icmptype"),
        ({"cidrlist": "10.0.0.1/8"}, "no subnet"),
        ({}, "cidrlist or usersecuritygrouplist"),
        ({"usersecuritygrouplist": [{"account": "bob", "group": "x"}]}, "no security group x"),
    ):
        error = await refusal(here.ann, INGRESS, **there, **params)
        assert (error["errorcode"], told in error["errortext"]) == (431, True), error
    error = await refusal(here.ann, INGRESS, cidrlist="0.0.0.0/0")
    assert "its id or by its name" in error["errortext"]
    error = await refusal(here.ann, "createSecurityGroup", name="web")
    assert "already exists" in error["errortext"]


async def test_a_group_that_another_speaks_of_stays(here: Place) -> None:
    web, data = await make(here.ann), await make(here.ann, "data")
    peers = [{"account": "ann", "group": "web"}]
    sql = {"protocol": "tcp", "startport": 5432, "securitygroupid": data["id"]}
    added = await here.ann.job(INGRESS, usersecuritygrouplist=peers, **sql)
    (only,) = added["securitygroup"]["ingressrule"]
    assert (only["securitygroupname"], only["account"], only["endport"]) == ("web", "ann", 5432)
    error = await refusal(here.ann, "deleteSecurityGroup", id=web["id"])
    assert error["errorcode"] == 536
    error = await refusal(here.ann, INGRESS, usersecuritygrouplist=peers, **sql)
    assert "There is already a rule" in error["errortext"]
    await here.ann("deleteSecurityGroup", id=data["id"])
    await here.ann("deleteSecurityGroup", id=web["id"])


async def test_the_default_group_is_made_once_and_stays(here: Place) -> None:
    ports = range(1, 6)
    asked = {"securitygroupname": "default", "cidrlist": "0.0.0.0/0", "protocol": "tcp"}
    await asyncio.gather(*(here.ann.job(INGRESS, startport=port, **asked) for port in ports))
    group = await here.ann.one("listSecurityGroups", "securitygroup")
    assert (group["name"], len(group["ingressrule"])) == ("default", 5)
    error = await refusal(here.ann, "deleteSecurityGroup", id=group["id"])
    assert "cannot be deleted" in error["errortext"]
    error = await refusal(here.admin, "updateSecurityGroup", id=group["id"], name="other")
    assert "keeps its name" in error["errortext"]
    error = await refusal(here.ann, "createSecurityGroup", name="default")
    assert "already exists" in error["errortext"]


async def test_the_same_rule_asked_for_at_once_is_one_rule(here: Place) -> None:
    group = await make(here.ann)
    asked = {"securitygroupid": group["id"], "cidrlist": "10.0.0.0/8"}
    answers = await asyncio.gather(
        *(here.ann.job(INGRESS, **asked) for _ in range(4)), return_exceptions=True
    )
    assert sum(not isinstance(one, Exception) for one in answers) == 1
    seen = await here.ann.one("listSecurityGroups", "securitygroup")
    assert len(seen["ingressrule"]) == 1


async def test_groups_of_others_do_not_exist(here: Place) -> None:
    group = await make(here.ann)
    added = await here.ann.job(INGRESS, securitygroupid=group["id"], cidrlist="10.0.0.0/8")
    (rule,) = added["securitygroup"]["ingressrule"]
    assert await here.bob("listSecurityGroups", listall="true") == {}
    error = await refusal(here.bob, "deleteSecurityGroup", id=group["id"])
    assert gone(error, "id", group["id"])
    error = await refusal(here.bob, "revokeSecurityGroupIngress", id=rule["ruleid"])
    assert gone(error, "id", rule["ruleid"])
