"""Whole lives of guests on Oracle VM hosts through the API, against agents of our own.

The agents run in this process, on loopback addresses; the server is a process of its own. At the
end nothing is left on any host or in any repository, but what pools keep of templates.
"""

from __future__ import annotations

import asyncio
import base64
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cs import CloudStackApiException

from tests.drivers.ovm import EXPORTS, MIB, Site, left
from tests.e2e.server import Api, Awaitable, Server, serving
from tests.infra.build import physical_network, pod, zone
from tests.real.test_quickstart import until

DRIVERS = ("oraclevm",)
pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
SYSTEM = (
    b"a system of ours".ljust(510)
    + b"\x55\xaa"
    + b"and more of it.." * (MIB // 16 - 32)
    + bytes(MIB)
)


@dataclass
class Here:
    """A cloud with two hosts of one version and its own agents."""

    site: Site
    server: Server
    api: Api
    zone: str
    cluster: str

    @property
    def domains(self) -> list[Any]:
        machines = self.site.world.machines.values()
        return [one for machine in machines for one in machine.domains.values()]

    def files(self, pattern: str) -> list[str]:
        found = (path.glob(pattern) for path in self.site.world.exports.values())
        return sorted(one.name for some in found for one in some if one.is_file())


@contextmanager
def agents(folder: Path, kind: str) -> Iterator[Site]:
    """Both agents, on a loop of their own."""
    site, ready, over = Site(folder, kind), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with site.serving():
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(120), "the agents did not start"
    try:
        yield site
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(20)
        loop.close()


@pytest.fixture(scope="module", params=["Ovm3", "Ovm"])
def here(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Here]:
    folder = tmp_path_factory.mktemp(request.param)
    with agents(folder, request.param) as site:
        settings = {"SAGASTACK_DRIVER_ORACLEVM": f"mounts={site.mounts}"}
        with serving(folder / "home", **settings) as server:
            yield build(site, server)


def build(site: Site, server: Server) -> Here:
    api = server.api()
    calls: Any = Awaitable(api)
    api("updateConfiguration", name="allow.user.expunge.recover.vm", value="true")
    zone_id = asyncio.run(zone(calls))
    network_id = asyncio.run(physical_network(calls, zone_id))
    found = api("listTrafficTypes", physicalnetworkid=network_id)["traffictype"]
    guest = next(one for one in found if one["traffictype"] == "Guest")
    if site.kind == "Ovm3":
        api("updateTrafficType", id=guest["id"], ovm3networklabel="xenbr0")
    pod_id = asyncio.run(pod(calls, zone_id))
    where = {"zoneid": zone_id, "podid": pod_id}
    cluster = api(
        "addCluster", **where, clustername="oracle", clustertype="CloudManaged",
        hypervisor=site.kind,
    )["cluster"][0]["id"]  # fmt: skip
    where["clusterid"] = cluster
    for number in range(2):
        address = site.address(number)
        told = {"username": address.username, "password": address.password}
        api("addHost", **where, hypervisor=site.kind, url=address.url, **told)
    for number, export in enumerate(EXPORTS):
        url = f"nfs://{export.replace(':', '')}"
        api("createStoragePool", **where, name=f"primary{number}", url=url, scope="cluster")
    store = (site.folder / "store").as_uri()
    (site.folder / "store").mkdir()
    api("addImageStore", zoneid=zone_id, provider="NFS", name="store", url=store)
    api("updateZone", id=zone_id, allocationstate="Enabled")
    return Here(site, server, api, zone_id, cluster)


@pytest.fixture(scope="module")
def template(here: Here) -> str:
    """Registered as qcow2; the hosts take raw images."""
    plain, path = here.site.folder / "system.img", here.site.folder / "system.qcow2"
    plain.write_bytes(SYSTEM)
    convert = ("qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(plain), str(path))
    subprocess.run(convert, check=True, capture_output=True, timeout=60)
    api = here.api
    made = api(
        "registerTemplate", name="system", displaytext="system", format="QCOW2",
        hypervisor=here.site.kind, url=path.as_uri(), zoneid=here.zone,
        ostypeid=api("listOsTypes", description="Other Linux (64-bit)")["ostype"][0]["id"],
    )["template"][0]  # fmt: skip

    def ready() -> bool:
        found = api.one("listTemplates", "template", id=made["id"], templatefilter="all")
        assert "Error" not in found.get("status", ""), found["status"]
        return bool(found["isready"])

    until(ready, "the template is ready")
    return str(made["id"])


def deploy(here: Here, template: str, **more: Any) -> dict[str, Any]:
    api = here.api
    size = api.one("listServiceOfferings", "serviceoffering", name="Small Instance")
    made: dict[str, Any] = api(
        "deployVirtualMachine", zoneid=here.zone, templateid=template, serviceofferingid=size["id"],
        **more,
    )["virtualmachine"]  # fmt: skip
    return made


def network(here: Here, name: str) -> str:
    """An L2 network whose guests are told their user data by a disc."""
    offering = here.api("listNetworkOfferings", name="DefaultL2NetworkOfferingConfigDrive")
    made = here.api(
        "createNetwork", zoneid=here.zone, name=name, displaytext=name,
        networkofferingid=offering["networkoffering"][0]["id"],
    )["network"]  # fmt: skip
    return str(made["id"])


def test_the_hosts_are_what_they_say(here: Here) -> None:
    hosts = here.api("listHosts", type="Routing")["host"]
    assert {one["name"] for one in hosts} == {"ovm-1", "ovm-2"}
    assert {(one["state"], one["hypervisor"]) for one in hosts} == {("Up", here.site.kind)}
    assert {one["cpunumber"] for one in hosts} == {4}


def test_a_whole_life_leaves_nothing(here: Here, template: str) -> None:
    api, three = here.api, here.site.kind == "Ovm3"
    first = network(here, "first")
    vm = deploy(
        here, template, name="whole", networkids=first,
        userdata=base64.b64encode(b"#cloud-config\n").decode(),
    )  # fmt: skip
    vm_id = {"id": vm["id"]}
    assert vm["state"] == "Running" and len(here.domains) == 1
    assert here.domains[0].vifs[0].startswith(f"mac={vm['nic'][0]['macaddress']},bridge=")
    exports = here.site.world.exports.values()
    disc = next(one for at in exports for one in (at / ".sagastack/config").glob("*.iso"))
    assert b"#cloud-config\n" in disc.read_bytes() and disc.stat().st_mode & 0o077 == 0
    root = api.one("listVolumes", "volume", virtualmachineid=vm["id"], type="ROOT")
    suffix = "img" if three else "raw"
    file = next(one for at in exports for one in at.rglob(f"*{root['id']}.{suffix}"))
    assert file.read_bytes()[: len(SYSTEM)] == SYSTEM, "not what the template held"
    data = api(
        "createVolume", zoneid=here.zone, name="data", size=1,
        diskofferingid=api("listDiskOfferings", name="Custom")["diskoffering"][0]["id"],
    )["volume"]  # fmt: skip
    if three:
        api("attachVolume", id=data["id"], virtualmachineid=vm["id"])
        assert sum(data["id"] in line for line in here.domains[0].disks) == 1
        snapshot = api("createSnapshot", volumeid=root["id"])["snapshot"]
        assert here.files(".sagastack/snapshots/*") == [f"{snapshot['id']}.img"]
        assert here.domains[0].state == "-b----", "it is paused no longer"
        api("detachVolume", id=data["id"])
        assert not any(data["id"] in line for line in here.domains[0].disks)
        api("deleteSnapshot", id=snapshot["id"])
    else:
        with pytest.raises(CloudStackApiException, match="plugs nothing"):
            api("attachVolume", id=data["id"], virtualmachineid=vm["id"])
        with pytest.raises(CloudStackApiException, match="neither pauses a guest"):
            api("createSnapshot", volumeid=root["id"])
    was = api.one("listVirtualMachines", "virtualmachine", **vm_id)["hostid"]
    hosts = api("listHosts", type="Routing")["host"]
    other = next(one["id"] for one in hosts if one["id"] != was)
    api("migrateVirtualMachine", virtualmachineid=vm["id"], hostid=other)
    assert api.one("listVirtualMachines", "virtualmachine", **vm_id)["hostid"] == other
    assert len(here.domains) == 1
    api("rebootVirtualMachine", **vm_id)
    api("stopVirtualMachine", **vm_id)
    assert here.domains == [] and not disc.exists()
    api("startVirtualMachine", **vm_id)
    assert len(here.domains) == 1
    api("destroyVirtualMachine", **vm_id, expunge=True)
    api("deleteVolume", id=data["id"])
    api("deleteNetwork", id=first)
    assert left(here.site) == []


def test_what_it_cannot_is_said_beforehand(here: Here, template: str) -> None:
    vm = deploy(here, template, name="asking", networkids=(first := network(here, "second")))
    with pytest.raises(CloudStackApiException, match="no moment of a guest"):
        here.api("createVMSnapshot", virtualmachineid=vm["id"])
    with pytest.raises(CloudStackApiException, match="BIOS only"):
        deploy(here, template, name="no", networkids=first, boottype="UEFI", bootmode="SECURE")
    here.api("destroyVirtualMachine", id=vm["id"], expunge=True)
    here.api("deleteNetwork", id=first)
    assert left(here.site) == []


def test_a_host_with_a_wrong_certificate_is_not_added(here: Here) -> None:
    address = here.site.address(0)
    told = {"username": address.username, "password": address.password}
    host = here.api("listHosts", type="Routing")["host"][0]
    with pytest.raises(CloudStackApiException, match="pin=sha256"):
        here.api(
            "addHost", zoneid=here.zone, podid=host["podid"], clusterid=here.cluster,
            hypervisor=here.site.kind, url=f"{address.url.partition('?')[0]}?alone=1", **told,
        )  # fmt: skip
