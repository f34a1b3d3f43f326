"""Neutron's v2.0 API as far as ports go: networks, subnets, and ports with their addresses."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any
from uuid import uuid4

from aiohttp import web

from tests.peers.openstack.state import (
    ADMIN,
    PROJECT,
    Region,
    Row,
    body_of,
    neutron_error,
    now,
)

MAC_CHARS = set("0123456789abcdef:")
PORT_FIELDS = ("name", "description", "network_id", "mac_address", "admin_state_up", "fixed_ips",
               "security_groups", "port_security_enabled", "device_id", "device_owner",
               "binding:host_id")  # fmt: skip


class Neutron:
    def __init__(self, region: Region) -> None:
        self._region = region

    def routes(self, app: web.Application, prefix: str) -> None:
        app.router.add_get(f"{prefix}/networks", self.networks)
        app.router.add_get(f"{prefix}/subnets", self.subnets)
        app.router.add_get(f"{prefix}/ports", self.ports)
        app.router.add_post(f"{prefix}/ports", self.create)
        app.router.add_delete(f"{prefix}/ports/{{id}}", self.delete)

    async def networks(self, request: web.Request) -> web.Response:
        return _listed(request, "networks", self._region.networks.values())

    async def subnets(self, request: web.Request) -> web.Response:
        return _listed(request, "subnets", self._region.subnets.values())

    async def ports(self, request: web.Request) -> web.Response:
        mine = [one for one in self._region.ports.values() if one["project_id"] == request[PROJECT]]
        return _listed(request, "ports", mine)

    async def create(self, request: web.Request) -> web.Response:
        said: Row = await body_of(request, "port")
        for name in said:
            if name not in PORT_FIELDS:
                raise neutron_error(400, "HTTPBadRequest", f"Unrecognized attribute(s) '{name}'")
        network = self._region.networks.get(said.get("network_id", ""))
        if network is None:
            kind, what = "NetworkNotFound", said.get("network_id")
            raise neutron_error(404, kind, f"Network {what} could not be found.")
        mac = said.get("mac_address") or f"fa:16:3e:{uuid4().hex[:2]}:{uuid4().hex[:2]}:01"
        if set(mac.lower()) - MAC_CHARS or len(mac) != 17:
            raise neutron_error(400, "HTTPBadRequest", f"Invalid input for mac_address: {mac}")
        for other in self._region.ports.values():
            if (other["network_id"], other["mac_address"]) == (network["id"], mac.lower()):
                message = f"Unable to complete operation for network {network['id']}. The mac "
                message += f"address {mac} is in use."
                raise neutron_error(409, "MacAddressInUse", message)
        if said.get("port_security_enabled") is False and not request[ADMIN]:
            message = "rule:create_port:port_security_enabled is disallowed by policy"
            raise neutron_error(403, "PolicyNotAuthorized", message)
        made: Row = {
            "id": str(uuid4()),
            "name": "",
            "description": "",
            "device_id": "",
            "device_owner": "",
            "status": "DOWN",
            "security_groups": [],
            "port_security_enabled": True,
            **said,
            "mac_address": mac.lower(),
            "fixed_ips": self._addresses(network, said.get("fixed_ips")),
            "ip_allocation": "immediate" if network["subnets"] else "none",
            "project_id": request[PROJECT],
            "created_at": now(),
        }
        self._region.ports[made["id"]] = made
        return web.json_response({"port": made}, status=201)

    def _addresses(self, network: Row, asked: list[Row] | None) -> list[Row]:
        if asked is None:
            return [self._next_address(one) for one in network["subnets"][:1]]
        for one in asked:
            subnet = self._region.subnets[one["subnet_id"]]
            if ip_address(one["ip_address"]) not in ip_network(subnet["cidr"]):
                message = f"IP address {one['ip_address']} is not a valid IP for the subnet."
                raise neutron_error(400, "InvalidIpForSubnet", message)
            for other in self._region.ports.values():
                if other["network_id"] == network["id"] and one in other["fixed_ips"]:
                    message = f"IP address {one['ip_address']} already allocated in subnet"
                    raise neutron_error(409, "IpAddressAlreadyAllocated", message)
        return asked

    def _next_address(self, subnet_id: str) -> Row:
        """The highest one that no port has."""
        taken = {ip["ip_address"] for one in self._region.ports.values() for ip in one["fixed_ips"]}
        for address in reversed(list(ip_network(self._region.subnets[subnet_id]["cidr"]).hosts())):
            if str(address) not in taken:
                return {"subnet_id": subnet_id, "ip_address": str(address)}
        message = "No more IP addresses available on the subnet."
        raise neutron_error(409, "IpAddressGenerationFailure", message)

    async def delete(self, request: web.Request) -> web.Response:
        row = self._region.ports.get(request.match_info["id"])
        if row is None:
            message = f"Port {request.match_info['id']} could not be found."
            raise neutron_error(404, "PortNotFound", message)
        del self._region.ports[row["id"]]
        return web.Response(status=204)


def _listed(request: web.Request, key: str, rows: Any) -> web.Response:
    """Every attribute is a filter."""
    found = list(rows)
    for name, value in request.query.items():
        if name not in ("limit", "marker"):
            found = [one for one in found if str(one.get(name)) == value]
    return web.json_response({key: found})
