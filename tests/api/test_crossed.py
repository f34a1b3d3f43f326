"""Whoever may do both: what belongs to one owner is not put into what belongs to another.

An administrator has every right on ann's things and on bob's; that is no reason to let a request
join them. A member of a project is in the same place between the project's things and its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.api.everybody import House, house
from tests.tenant.world import CUSTOM_DISK, ISOLATED, SMALL, TEMPLATE, ZONE, named
from tests.vpc.parts import TIER, VPC_OFFERING

pytestmark = pytest.mark.timeout(300)

FOR_ANN = {"account": "ann", "domainid": str(named("domain ann"))}
IN_ZONE = {"zoneid": str(ZONE)}
GUEST = IN_ZONE | {"serviceofferingid": SMALL, "templateid": TEMPLATE}
PORT = {"protocol": "tcp", "publicport": "22", "privateport": "22"}
NET = {"gateway": "10.99.9.1", "netmask": "255.255.255.0", "networkofferingid": TIER}
BALANCED = {"name": "z", "algorithm": "roundrobin", "publicport": "81", "privateport": "80"}

# A word in braces is a thing: ann's by its noun, bob's behind `bob`.
CROSSED: list[tuple[str, dict[str, str]]] = [
    ("attachVolume", {"id": "{bob volume}", "virtualmachineid": "{vm}"}),
    ("addNicToVirtualMachine", {"virtualmachineid": "{vm}", "networkid": "{bob network}"}),
    ("createPortForwardingRule", PORT | {"ipaddressid": "{bob ip}", "virtualmachineid": "{vm}"}),
    ("enableStaticNat", {"ipaddressid": "{bob ip}", "virtualmachineid": "{vm}"}),
    (
        "assignToLoadBalancerRule",
        {"id": "{load_balancer_rule}", "virtualmachineids": "{bob vm}"},
    ),
    ("createLoadBalancerRule", BALANCED | {"publicipid": "{bob ip}", "networkid": "{network}"}),
    ("deployVirtualMachine", GUEST | FOR_ANN | {"networkids": "{bob network}"}),
    (
        "deployVirtualMachine",
        GUEST | FOR_ANN | {"networkids": "{network}", "affinitygroupids": "{bob affinity}"},
    ),
    (
        "deployVirtualMachine",
        GUEST | FOR_ANN | {"networkids": "{network}", "keypair": "bobs"},
    ),
    ("resetSSHKeyForVirtualMachine", {"id": "{vm}", "keypair": "bobs"}),
    ("updateVMAffinityGroup", {"id": "{vm}", "affinitygroupids": "{bob affinity}"}),
    ("updateVirtualMachine", {"id": "{vm}", "securitygroupids": "{bob security}"}),
    ("createNetwork", NET | FOR_ANN | IN_ZONE | {"name": "x", "vpcid": "{bob vpc}"}),
    ("replaceNetworkACLList", {"aclid": "{bob acl}", "networkid": "{tier}"}),
    ("associateIpAddress", FOR_ANN | {"networkid": "{bob network}"}),
    (
        "createStaticRoute",
        {"vpcid": "{bob vpc}", "gatewayid": "{private_gateway}", "cidr": "10.200.0.0/24"},
    ),
]


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


async def made(here: House, command: str, **params: str) -> str:
    """The id of a thing that bob has made, when its job has ended."""
    told = await here.make("bob", command, **params)
    await here.controller.engine.runner.wait(UUID(told["jobid"]))
    return str(told["id"])


async def bobs(here: House) -> dict[str, str]:
    """What bob has."""
    asked = IN_ZONE | {"name": "bobs", "networkofferingid": ISOLATED}
    network = str((await here.make("bob", "createNetwork", **asked))["network"]["id"])
    guest = GUEST | {"networkids": network, "startvm": "false", "name": "bobs"}
    disk = IN_ZONE | {"name": "bobs", "diskofferingid": CUSTOM_DISK, "size": "1"}
    wide = IN_ZONE | {"name": "bobs", "vpcofferingid": VPC_OFFERING, "cidr": "10.99.0.0/16"}
    vpc = await made(here, "createVPC", **wide)
    group = (await here.make("bob", "createSecurityGroup", name="bobs"))["securitygroup"]
    await here.make("bob", "createSSHKeyPair", name="bobs")
    apart = {"name": "bobs", "type": "host anti-affinity"}
    return {
        "network": network,
        "vm": await made(here, "deployVirtualMachine", **guest),
        "volume": await made(here, "createVolume", **disk),
        "ip": await made(here, "associateIpAddress", networkid=network),
        "vpc": vpc,
        "acl": await made(here, "createNetworkACLList", name="bobs", vpcid=vpc),
        "security": str(group["id"]),
        "affinity": await made(here, "createAffinityGroup", **apart),
    }


async def test_what_is_one_owners_stays_apart_from_what_is_anothers(here: House) -> None:
    of_bob, wrong = await bobs(here), []
    ann = named("account ann")
    tiers = (row for row in here.cloud.table("network") if row.vpc_id and row.account_id == ann)
    tier, before = next(tiers), here.position

    def filled(value: str) -> str:
        if not value.startswith("{"):
            return value
        word = value.strip("{}")
        whose, _, what = word.rpartition(" ")
        if whose == "bob":
            return of_bob[what]
        return str(tier.id if word == "tier" else here.thing(word))

    for command, params in CROSSED:
        asked = {name: filled(value) for name, value in params.items()}
        status, told = await here.ask("root", command, asked)
        text: Any = told.get("errortext", "")
        if status not in (431, 531, 536, 537) or here.position != before:
            wrong.append(f"{command} {params}: {status} {told}")
        if "entity does not exist" in text or "missing" in text:
            wrong.append(f"{command} {params} was not tried: {text}")
    assert not wrong, "\n".join(wrong)
