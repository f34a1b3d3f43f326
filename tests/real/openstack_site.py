"""A cloud of ours with a region of OpenStack in it, and another client of that region.

What is there is asked for beside the controller, as a person with another client would.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.e2e.server import Api, Awaitable, Server
from tests.infra import build

# Real services on two cores that others use as well take minutes for what takes seconds alone.
WAIT_S, JOB_S = 300.0, 900


@dataclass
class Witness:
    """Another client of the region, in the controller's project."""

    keystone: str
    user: str
    password: str
    headers: dict[str, str] = field(default_factory=dict)
    services: dict[str, str] = field(default_factory=dict)

    def sign_in(self) -> None:
        user = {"name": self.user, "domain": {"name": "Default"}, "password": self.password}
        scope = {"project": {"name": "cloud", "domain": {"name": "Default"}}}
        identity = {"methods": ["password"], "password": {"user": user}}
        body = {"auth": {"identity": identity, "scope": scope}}
        said, headers = self._ask("POST", f"{self.keystone}/auth/tokens", body)
        self.headers = {"X-Auth-Token": headers["X-Subject-Token"]}
        for one in said["token"]["catalog"]:
            for endpoint in one["endpoints"]:
                if endpoint["interface"] == "public":
                    self.services[one["type"]] = endpoint["url"]

    def __call__(self, service: str, path: str, method: str = "GET", body: Any = None) -> Any:
        """Each service at the version whose answers the tests read; Cinder takes no other's."""
        suffix = {"image": "/v2", "network": "/v2.0"}.get(service, "")
        more = {"OpenStack-API-Version": "compute 2.85"} if service == "compute" else {}
        return self._ask(method, f"{self.services[service]}{suffix}{path}", body, **more)[0]

    def _ask(self, method: str, url: str, body: Any, **more: str) -> tuple[Any, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **self.headers, **more}
        try:
            with urlopen(Request(url, data, headers, method=method), timeout=WAIT_S) as answer:
                text = answer.read()
                return (json.loads(text) if text else None), answer.headers
        except HTTPError as error:
            raise AssertionError(f"{method} {url}: {error.read().decode()}") from error

    def servers(self) -> list[Any]:
        found: list[Any] = self("compute", "/servers/detail")["servers"]
        return found

    def volumes(self) -> list[Any]:
        found: list[Any] = self("block-storage", "/volumes/detail")["volumes"]
        return found

    def left(self) -> dict[str, list[str]]:
        """What is there but templates' images, which pools keep for a while."""
        ports = self("network", "/ports")["ports"]
        images = self("image", "/images")["images"]
        return {
            "servers": [one["name"] for one in self.servers()],
            "volumes": [one["id"] for one in self.volumes()],
            "ports": [one["name"] for one in ports],
            "images": [one["name"] for one in images if "sagastack_image" not in one],
        }


@dataclass
class Site:
    """A region with a controller that has added it, and a template to deploy from."""

    witness: Witness
    server: Server
    api: Api
    zone: str
    pod: str
    cluster: str
    hosts: list[Any]
    shape: dict[str, str]

    def of(self, vm: Any) -> Any:
        """The server of a guest; None if there is none."""
        tag = f"sagastack-guest-{vm['id']}"
        return next((one for one in self.witness.servers() if tag in one["tags"]), None)

    def cards(self, vm: Any) -> list[str]:
        """The cards that the network service knows of a guest's server."""
        ports = self.witness("network", f"/ports?device_id={self.of(vm)['id']}")["ports"]
        return sorted(one["mac_address"] for one in ports)

    def disk(self, volume: Any) -> Any:
        for one in self.witness.volumes():
            if one["metadata"].get("sagastack_volume") == volume["id"]:
                return one
        return None


def added(witness: Witness, server: Server, folder: Path) -> Site:
    """A zone whose one cluster is the region."""
    api = server.api()
    api.cs.job_timeout, api.cs.timeout = JOB_S, int(WAIT_S)  # services take their time
    later: Any = Awaitable(api)

    async def laid_out() -> tuple[str, str]:
        zone = await build.zone(later)
        await build.physical_network(later, zone)
        return zone, await build.pod(later, zone)

    zone, pod = asyncio.run(laid_out())
    where = {"zoneid": zone, "podid": pod, "hypervisor": "OpenStack"}
    cluster = api("addCluster", **where, clustername="region", clustertype="CloudManaged")
    cluster_id = cluster["cluster"][0]["id"]
    address = witness.keystone.replace("http://", "openstack+http://")
    hosts = api(
        "addHost",
        **where,
        clusterid=cluster_id,
        url=f"{address}?region=RegionOne&project=cloud&network=public",
        username=f"{witness.user}@Default",
        password=witness.password,
    )["host"]
    for name in ("fast", "slow"):
        api("createStoragePool", zoneid=zone, podid=pod, clusterid=cluster_id, name=name,
            url=f"cinder://{name}", tags=name)  # fmt: skip
    size = api("createServiceOffering", name="small", displaytext="small", cpunumber=1,
               cpuspeed=500, memory=256, tags="fast")["serviceoffering"]  # fmt: skip
    offered = api("listNetworkOfferings", name="DefaultL2NetworkOfferingConfigDrive")
    network = api("createNetwork", zoneid=zone, name="flat", displaytext="flat",
                  networkofferingid=offered["networkoffering"][0]["id"])["network"]  # fmt: skip
    shape = {"zoneid": zone, "serviceofferingid": size["id"], "networkids": network["id"]}
    site = Site(witness, server, api, zone, pod, cluster_id, hosts, shape)
    shape["templateid"] = template(site, folder)
    return site


def template(site: Site, folder: Path) -> str:
    """A disk of 8 MiB with a mark in it, registered from a VMDK: Glance gets it as qcow2."""
    made = folder / "image.qcow2"
    tool("qemu-img", "create", "-q", "-f", "qcow2", str(made), "8M")
    tool("qemu-io", "-f", "qcow2", "-c", "write -P 0x5a 1M 64k", str(made))
    kind = site.api("listOsTypes", description="Other Linux (64-bit)")["ostype"][0]["id"]
    found = site.api("registerTemplate", name="tiny", displaytext="tiny", url=made.as_uri(),
                     format="QCOW2", hypervisor="OpenStack", zoneid=site.zone,
                     ostypeid=kind)["template"][0]  # fmt: skip
    ask = {"templatefilter": "all", "id": found["id"]}
    until(lambda: site.api.one("listTemplates", "template", **ask)["isready"], "it is ready")
    return str(found["id"])


def tool(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{words}: {done.stderr}"


def until(true: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < end_s, f"not within {WAIT_S:.0f} s: {what}"
        time.sleep(0.1)


def deploy(site: Site, name: str, **more: Any) -> Any:
    data = base64.b64encode(b"#cloud-config\n").decode()
    asked = site.shape | {"name": name, "userdata": data} | more
    return site.api("deployVirtualMachine", **asked)["virtualmachine"]
