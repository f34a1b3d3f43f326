"""Guests' whole lives through the API on regions of OpenStack, after which nothing is left there.

What is there is asked for beside the controller, as a person with another client would.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.e2e.server import Api, Awaitable, Server, serving
from tests.infra import build
from tests.peers.openstack.server import serving as region_of_ours

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

GIB = 2**30
WAIT_S = 120.0


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
        self.headers = {
            "X-Auth-Token": headers["X-Subject-Token"],
            "OpenStack-API-Version": "compute 2.85",
        }
        for one in said["token"]["catalog"]:
            for endpoint in one["endpoints"]:
                if endpoint["interface"] == "public":
                    self.services[one["type"]] = endpoint["url"]

    def __call__(self, service: str, path: str, method: str = "GET", body: Any = None) -> Any:
        suffix = {"image": "/v2", "network": "/v2.0"}.get(service, "")
        return self._ask(method, f"{self.services[service]}{suffix}{path}", body)[0]

    def _ask(self, method: str, url: str, body: Any) -> tuple[Any, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **self.headers}
        with urlopen(Request(url, data, headers, method=method), timeout=60) as answer:
            text = answer.read()
            return (json.loads(text) if text else None), answer.headers

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

    def disk(self, volume: Any) -> Any:
        for one in self.witness.volumes():
            if one["metadata"].get("sagastack_volume") == volume["id"]:
                return one
        return None


@contextmanager
def in_a_thread(folder: Path) -> Iterator[str]:
    """Our own server of a region, on a loop of its own; gives Keystone's address."""
    ready, over = threading.Event(), threading.Event()
    found: list[str] = []

    async def serve() -> None:
        async with region_of_ours(folder) as (region, _):
            found.append(f"{region.public}/identity/v3")
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(30), "the region does not serve"
    try:
        yield found[0]
    finally:
        over.set()
        thread.join(30)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("openstack")
    with ExitStack() as stack:
        keystone = stack.enter_context(in_a_thread(folder / "region"))
        witness = Witness(keystone, "sagastack", "correct horse")
        witness.sign_in()
        environment = {"SAGASTACK_DRIVER_OPENSTACK": "poll_s=0.05", "SAGASTACK_RECONCILE_S": "1"}
        server = stack.enter_context(serving(folder / "home", **environment))
        yield added(witness, server, folder)


def added(witness: Witness, server: Server, folder: Path) -> Site:
    """A zone whose one cluster is the region."""
    api = server.api()
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
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
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


def test_a_region_is_a_cluster_of_its_compute_hosts(site: Site) -> None:
    assert sorted(one["name"] for one in site.hosts) == ["compute1", "compute2"]
    assert {one["state"] for one in site.hosts} == {"Up"}
    hypervisors = site.witness("compute", "/os-hypervisors/detail")["hypervisors"]
    assert len(hypervisors) == 2
    pools = site.api("listStoragePools", zoneid=site.zone)["storagepool"]
    assert {one["type"] for one in pools} == {"Cinder"}
    assert all(one["disksizetotal"] > 0 for one in pools)


def test_a_whole_life_leaves_nothing(site: Site) -> None:
    api, before = site.api, site.witness.left()
    vm = deploy(site, "whole")
    server = site.of(vm)
    assert (vm["state"], server["status"]) == ("Running", "ACTIVE")
    assert server["OS-EXT-SRV-ATTR:host"] == vm["hostname"]
    assert (server["flavor"]["vcpus"], server["flavor"]["ram"]) == (1, 256)
    root = api.one("listVolumes", "volume", virtualmachineid=vm["id"], type="ROOT")
    volume = site.disk(root)
    assert (volume["status"], volume["volume_type"]) == ("in-use", "fast")
    assert volume["attachments"][0]["server_id"] == server["id"]
    ports = site.witness("network", f"/ports?device_id={server['id']}")["ports"]
    assert [one["mac_address"] for one in ports] == [vm["nic"][0]["macaddress"]]

    screen = api("createConsoleEndpoint", virtualmachineid=vm["id"])["consoleendpoint"]
    assert screen["success"] and "vnc_auto.html?path=%3Ftoken%3D" in screen["url"]
    assert screen["details"] == "open it with a browser"
    data_id = data_disk(site, vm)
    api("rebootVirtualMachine", id=vm["id"])
    assert site.of(vm)["id"] == server["id"], "it is rebooted in place"
    snapshot = api("createSnapshot", volumeid=root["id"])["snapshot"]
    assert snapshot["state"] == "BackedUp"
    bigger = api("createServiceOffering", name="bigger", displaytext="bigger", cpunumber=2,
                 cpuspeed=500, memory=512, tags="fast")["serviceoffering"]  # fmt: skip
    for more in ({}, {"dryrun": True}):
        api.refused("scaleVirtualMachine", 431, "only by stopping it", id=vm["id"],
                    serviceofferingid=bigger["id"], **more)  # fmt: skip
    api.refused("createVMSnapshot", 431, "never the memory", virtualmachineid=vm["id"])
    api("stopVirtualMachine", id=vm["id"])
    assert site.of(vm) is None, "a guest that does not run is on no host"
    assert site.disk(root)["status"] == "available"
    api("scaleVirtualMachine", id=vm["id"], serviceofferingid=bigger["id"])
    api("revertSnapshot", id=snapshot["id"])
    api("startVirtualMachine", id=vm["id"])
    again = site.of(vm)
    assert (again["flavor"]["vcpus"], again["flavor"]["ram"]) == (2, 512)
    held = {one["id"] for one in again["os-extended-volumes:volumes_attached"]}
    assert held == {site.disk(root)["id"], site.disk({"id": data_id})["id"]}

    api("deleteSnapshot", id=snapshot["id"])
    api("destroyVirtualMachine", id=vm["id"], expunge=True, volumeids=data_id)
    assert site.witness.left() == before


def data_disk(site: Site, vm: Any) -> str:
    """Attached while the guest runs, and grown while it has it."""
    api = site.api
    custom = api("listDiskOfferings", name="Custom")["diskoffering"][0]["id"]
    made = api("createVolume", name="data", zoneid=site.zone, diskofferingid=custom, size=1)
    volume = made["volume"]
    api("attachVolume", id=volume["id"], virtualmachineid=vm["id"])
    assert site.disk(volume)["attachments"][0]["server_id"] == site.of(vm)["id"]
    assert api("resizeVolume", id=volume["id"], size=2)["volume"]["size"] == 2 * GIB
    assert site.disk(volume)["size"] == 2
    return str(volume["id"])


def test_a_guest_migrates_while_it_runs(site: Site) -> None:
    vm = deploy(site, "mover")
    other = next(one for one in site.hosts if one["name"] != vm["hostname"])
    moved = site.api("migrateVirtualMachine", virtualmachineid=vm["id"], hostid=other["id"])
    assert moved["virtualmachine"]["hostname"] == other["name"]
    server = site.of(vm)
    assert (server["status"], server["OS-EXT-SRV-ATTR:host"]) == ("ACTIVE", other["name"])
    site.api("destroyVirtualMachine", id=vm["id"], expunge=True)


def test_a_volume_moves_to_another_type(site: Site) -> None:
    vm = deploy(site, "typed")
    root = site.api.one("listVolumes", "volume", virtualmachineid=vm["id"], type="ROOT")
    site.api("stopVirtualMachine", id=vm["id"], forced=True)
    slow = site.api.one("listStoragePools", "storagepool", name="slow")
    site.api("migrateVolume", volumeid=root["id"], storageid=slow["id"])
    assert site.disk(root)["volume_type"] == "slow"
    site.api("destroyVirtualMachine", id=vm["id"], expunge=True)


def test_a_guest_becomes_a_template(site: Site, tmp_path: Path) -> None:
    """Its bytes come through Cinder and Glance to the controller, and are what the first held."""
    vm = deploy(site, "golden")
    root = site.api.one("listVolumes", "volume", virtualmachineid=vm["id"], type="ROOT")
    site.api("stopVirtualMachine", id=vm["id"], forced=True)
    kind = site.api("listOsTypes", description="Other Linux (64-bit)")["ostype"][0]["id"]
    made = site.api("createTemplate", volumeid=root["id"], name="gold", ostypeid=kind)["template"]
    held = site.server.home / "images" / site.zone / f"{made['id']}.qcow2"
    tool("qemu-io", "-r", "-f", "qcow2", "-c", "read -P 0x5a 1M 64k", str(held))
    site.api("destroyVirtualMachine", id=vm["id"], expunge=True)
    site.api("deleteTemplate", id=made["id"])


def test_what_somebody_else_made_is_adopted(site: Site) -> None:
    """A server of another client's is imported, driven, and destroyed with its disk."""
    ask, before = site.witness, site.witness.left()
    body = {"volume": {"size": 1, "name": "theirs", "volume_type": "fast"}}
    volume = ask("block-storage", "/volumes", "POST", body)["volume"]
    until(lambda: volume_of(ask, volume)["status"] == "available", "the volume is made")
    flavors = ask("compute", "/flavors/detail")["flavors"]
    flavor = next(one for one in flavors if (one["vcpus"], one["ram"]) == (1, 256))
    root = {
        "boot_index": 0,
        "uuid": volume["id"],
        "source_type": "volume",
        "destination_type": "volume",
        "delete_on_termination": True,
    }
    asked = {"name": "theirs", "flavorRef": flavor["id"], "networks": "none",
             "imageRef": "", "block_device_mapping_v2": [root]}  # fmt: skip
    made = ask("compute", "/servers", "POST", {"server": asked})["server"]["id"]
    until(lambda: ask("compute", f"/servers/{made}")["server"]["status"] == "ACTIVE", "it runs")
    found = site.api.one(
        "listUnmanagedInstances", "unmanagedinstance", clusterid=site.cluster, name="theirs"
    )
    assert found["disk"][0]["capacity"] == GIB
    vm = site.api(
        "importUnmanagedInstance", clusterid=site.cluster, name="theirs",
        serviceofferingid=site.shape["serviceofferingid"], templateid=site.shape["templateid"],
    )["virtualmachine"]  # fmt: skip
    assert site.of(vm)["id"] == made
    site.api("stopVirtualMachine", id=vm["id"], forced=True)
    assert volume_of(ask, volume)["status"] == "available", "it was to go with its server"
    site.api("startVirtualMachine", id=vm["id"])
    assert site.of(vm)["os-extended-volumes:volumes_attached"][0]["id"] == volume["id"]
    site.api("destroyVirtualMachine", id=vm["id"], expunge=True)
    assert ask.left() == before


def volume_of(ask: Witness, volume: Any) -> Any:
    return ask("block-storage", f"/volumes/{volume['id']}")["volume"]


def test_a_wrong_password_leaves_no_host(site: Site) -> None:
    url = site.witness.keystone.replace("http://", "openstack+http://")
    site.api.refused(
        "addHost", 530, "user, password, project or domain is wrong", zoneid=site.zone,
        podid=site.pod, clusterid=site.cluster, hypervisor="OpenStack", username="admin",
        password="guess", url=f"{url}?region=RegionOne&project=cloud&host=compute1&network=x",
    )  # fmt: skip
    assert len(site.api("listHosts", type="Routing")["host"]) == 2


def test_a_region_that_is_another_hypervisors_is_refused(site: Site) -> None:
    site.api.refused("createStoragePool", 431, "cinder://", zoneid=site.zone, podid=site.pod,
                     clusterid=site.cluster, name="no", url="nfs://a/b")  # fmt: skip
