"""What the tests of rules need beyond a zone: public addresses, and guests behind them."""

from __future__ import annotations

from typing import Any

from engine.intents import SYSTEM
from engine.intents.vlan_ip_range import CreateVlanIpRange
from sagastack.boot import Controller
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import ISOLATED, WIRES, ZONE, Client, named

RANGE = named("public range")
FIRST, COUNT = "198.51.100.10", 20


async def add_public(running: Controller, first: str = FIRST, last: str = "198.51.100.29") -> None:
    """Twenty public addresses for the zone, unless others are asked for."""
    fields = {
        "zone_id": ZONE,
        "physical_network_id": WIRES,
        "gateway": "198.51.100.1",
        "netmask": "255.255.255.0",
        "start_ip": first,
        "end_ip": last,
    }
    await running.engine.decide(CreateVlanIpRange(id=RANGE, fields=fields), SYSTEM)


async def network_of(client: Client, **more: Any) -> Any:
    """An isolated network behind source NAT."""
    asked = {"name": "inner", "networkofferingid": ISOLATED, "zoneid": str(ZONE)} | more
    return (await client("createNetwork", **asked))["network"]


async def address_for(client: Client, network_id: str, **more: Any) -> Any:
    """A public address that serves a network."""
    asked = {"networkid": network_id} | more
    return (await client.job("associateIpAddress", **asked))["ipaddress"]


async def guest_on(client: Client, network_id: str, **more: Any) -> Any:
    return await deploy(client, networkids=network_id, **more)


async def addresses(client: Client, **filters: Any) -> list[Any]:
    found: list[Any] = (await client("listPublicIpAddresses", **filters)).get("publicipaddress", [])
    return found
