"""Network cards: a port of Neutron's each, with the card's own address, under our name.

A card's label is a network's name or id. Without one it is the network of its VLAN, then the one
that the host's URL names. Addresses are the controller's: where the network has a subnet that
holds the card's, Neutron is told of it; where not, the port is let speak by any.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Any
from uuid import UUID

from drivers.contract.compute import NicSpec
from drivers.contract.errors import Refused
from drivers.openstack import names
from drivers.openstack.client import Client
from drivers.openstack.errors import Denied
from drivers.openstack.watch import Row


class Ports:
    """The ports of our guests. Each bears its guest's tag as description: that can be asked for."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def ensure(self, guest_id: UUID, nics: Iterable[NicSpec], network: str) -> list[str]:
        """A port for each card, in their order; those that are there are taken."""
        wanted = list(nics)
        if not wanted:
            return []
        there = {one["name"]: one for one in await self.of(guest_id)}
        return [
            (there.get(port_name(nic.nic_id)) or await self._make(guest_id, nic, network))["id"]
            for nic in wanted
        ]

    async def of(self, guest_id: UUID) -> list[Row]:
        doing = f"list the ports of guest {guest_id}"
        asked = {"description": names.guest_tag(guest_id)}
        return await self._client.pages("network", "/ports", "ports", doing, **asked)

    async def named(self, nic_id: UUID) -> list[Row]:
        doing = f"look for the port of card {nic_id}"
        return await self._client.pages("network", "/ports", "ports", doing, name=port_name(nic_id))

    async def all_of_servers(self) -> list[Row]:
        """Every port of the project, for looking at many servers at once."""
        return await self._client.pages("network", "/ports", "ports", "list ports")

    async def remove(self, guest_id: UUID) -> None:
        """All ports of a guest; a region without Neutron has none."""
        if await self._client.has("network"):
            for one in await self.of(guest_id):
                await self.drop(one["id"])

    async def drop(self, port_id: str) -> None:
        await self._client.delete("network", f"/ports/{port_id}", f"remove port {port_id}")

    async def _make(self, guest_id: UUID, nic: NicSpec, default: str) -> Row:
        network = await self._network(nic, default)
        asked: dict[str, Any] = {
            "name": port_name(nic.nic_id),
            "description": names.guest_tag(guest_id),
            "network_id": network["id"],
            "mac_address": nic.mac,
            "admin_state_up": True,
        }
        subnet = await self._subnet(network, nic.ip4)
        if subnet:
            asked["fixed_ips"] = [{"subnet_id": subnet, "ip_address": nic.ip4}]
        else:  # Nova takes no port without an address where Neutron could give it one.
            asked |= {"security_groups": [], "port_security_enabled": False}
            asked |= {} if network["subnets"] else {"fixed_ips": []}
        doing = f"make a port for card {nic.mac} on network {network['name']}"
        try:
            said = await self._client.post("network", "/ports", doing, {"port": asked})
        except Denied:  # Only a network's owner may let its ports go unguarded.
            asked.pop("port_security_enabled", None)
            said = await self._client.post("network", "/ports", doing, {"port": asked})
        made: Row = said["port"]
        return made

    async def _network(self, nic: NicSpec, default: str) -> Row:
        label = nic.bridge or default
        if nic.vlan is not None and not nic.bridge:
            asked = {"provider:network_type": "vlan", "provider:segmentation_id": nic.vlan}
            if found := await self._networks(**asked):
                return found[0]
        if not label:
            what = "no network label" if nic.vlan is None else f"VLAN {nic.vlan} and no label"
            raise Refused(
                f"card {nic.mac} has {what}: set the OpenStack label of the zone's guest traffic "
                "to a network of Neutron, or add &network=NAME to the host's URL"
            )
        by = "id" if names.uuid_of(label) else "name"
        found = await self._networks(**{by: label})
        if len(found) != 1:
            how = "two networks are" if found else "no network is"
            raise Refused(
                f"card {nic.mac} wants network {label!r}: {how} called so in project "
                f"{self._client.region.project}"
            )
        return found[0]

    async def _networks(self, **asked: Any) -> list[Row]:
        return await self._client.pages(
            "network", "/networks", "networks", "list networks", **asked
        )

    async def _subnet(self, network: Row, address: str) -> str:
        """The subnet that holds an address, or empty."""
        if not address or not network["subnets"]:
            return ""
        doing = f"list the subnets of network {network['name']}"
        found = await self._client.pages(
            "network", "/subnets", "subnets", doing, network_id=network["id"]
        )
        for one in found:
            if ip_address(address) in ip_network(one["cidr"]):
                return str(one["id"])
        return ""


def port_name(nic_id: UUID) -> str:
    return f"sagastack-nic-{nic_id}"
