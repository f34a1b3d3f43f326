"""The part of Nova that is about the region and not about one server: hosts, flavours, limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.peers.openstack.state import (
    ADMIN,
    PROJECT,
    Host,
    Region,
    Row,
    body_of,
    check_fields,
    page,
    wrong,
)

FLAVOR_FIELDS: dict[str, Any] = {
    "name": str,
    "id": (str, type(None)),
    "vcpus": int,
    "ram": int,
    "disk": int,
    "os-flavor-access:is_public": bool,
    "description": (str, type(None)),
    "swap": int,
    "OS-FLV-EXT-DATA:ephemeral": int,
}


def routes(
    region: Region, app: web.Application, prefix: str, versioned: Callable[[Any], Any]
) -> None:
    async def list_flavors(request: web.Request) -> web.Response:
        return page(request, "flavors", list(region.flavors.values()))

    async def make_flavor(request: web.Request) -> web.Response:
        if not request[ADMIN]:
            raise wrong(403, "Policy doesn't allow os_compute_api:os-flavor-manage:create")
        asked = await body_of(request, "flavor")
        said = check_fields(asked, FLAVOR_FIELDS, ("name", "vcpus", "ram", "disk"))
        if said["id"] in region.flavors or _named(region, said["name"]):
            raise wrong(409, f"Flavor with ID {said['id']} already exists.")
        row = {"OS-FLV-EXT-DATA:ephemeral": 0, "swap": 0, "extra_specs": {}, **said}
        region.flavors[said["id"]] = row
        return web.json_response({"flavor": row})

    async def hypervisors(request: web.Request) -> web.Response:
        if not request[ADMIN]:
            raise wrong(403, "Policy doesn't allow os_compute_api:os-hypervisors:list-detail to "
                        "be performed.")  # fmt: skip
        return web.json_response({"hypervisors": [_host(region, one) for one in region.hosts]})

    async def uptime(request: web.Request) -> web.Response:
        for one in region.hosts:
            if one.hypervisor_id == request.match_info["id"]:
                told = " 08:32:11 up 93 days, 18:25, 12 users,  load average: 0.20, 0.12, 0.14"
                return web.json_response({"hypervisor": {"id": one.hypervisor_id, "uptime": told}})
        raise wrong(404, f"Hypervisor with ID '{request.match_info['id']}' could not be found.")

    async def limits(request: web.Request) -> web.Response:
        mine = [one for one in region.servers.values()
                if one["tenant_id"] == request[PROJECT] and one["status"] != "DELETED"]  # fmt: skip
        said = {
            "maxTotalCores": region.quota["cores"],
            "maxTotalRAMSize": region.quota["ram"],
            "maxTotalInstances": region.quota["instances"],
            "totalCoresUsed": sum(one["flavor"]["vcpus"] for one in mine),
            "totalRAMUsed": sum(one["flavor"]["ram"] for one in mine),
            "totalInstancesUsed": len(mine),
        }
        return web.json_response({"limits": {"rate": [], "absolute": said}})

    for method, path, handler in (
        ("GET", "/flavors/detail", list_flavors),
        ("POST", "/flavors", make_flavor),
        ("GET", "/os-hypervisors/detail", hypervisors),
        ("GET", "/os-hypervisors/{id}/uptime", uptime),
        ("GET", "/limits", limits),
    ):
        app.router.add_route(method, f"{prefix}{path}", versioned(handler))


def _named(region: Region, name: str) -> bool:
    return any(one["name"] == name for one in region.flavors.values())


def _host(region: Region, host: Host) -> Row:
    here = [one for one in region.servers.values()
            if one["OS-EXT-SRV-ATTR:host"] == host.name and one["status"] != "DELETED"]  # fmt: skip
    used = sum(one["flavor"]["ram"] for one in here) + 512
    return {
        "id": host.hypervisor_id,
        "hypervisor_hostname": f"{host.name}.example",
        "hypervisor_type": "QEMU",
        "hypervisor_version": 7_002_000,
        "host_ip": "127.0.0.1",
        "service": {"host": host.name, "id": host.service_id, "disabled_reason": None},
        "state": "up",
        "status": "enabled",
        "vcpus": host.vcpus,
        "vcpus_used": sum(one["flavor"]["vcpus"] for one in here),
        "memory_mb": host.memory_mb,
        "memory_mb_used": used,
        "running_vms": len(here),
        "local_gb": 1000,
        "local_gb_used": 0,
    }
