"""One zone of hosts of many kinds: what each kind needs to be added, and what is left behind it.

Every kind brings a cluster, its hosts, a pool and a template that is converted for it. The peers
are those of the drivers' own tests, and none of them knows that there are others.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drivers.sim import SimWorld
from tests.drivers.ovm import EXPORTS, left
from tests.drivers.vcenter_hand import Hand
from tests.e2e.server import Api, Awaitable, Server, serving
from tests.infra import build
from tests.peers import vcenter
from tests.peers.hyperv import HypervPeer
from tests.peers.hyperv.peer import PASSWORD, USER
from tests.real.test_openstack_real import Witness, in_a_thread
from tests.real.test_oraclevm_real import SYSTEM, agents
from tests.real.test_quickstart import until
from tests.real.test_xapi_real import pool as xen_pool

ROOT = Path(__file__).parents[2]
LABELS = {
    "xennetworklabel": "guests",
    "vmwarenetworklabel": "DVS0,,vmwaredvs",
    "ovm3networklabel": "xenbr0",
}


@dataclass
class Kind:
    """`host` is what `addHost` is told beside where. `left` tells what its peer has of guests and
    their disks; it is given the template, whose image stays."""

    name: str
    host: dict[str, str]
    pool: str
    left: Callable[[str], list[str]]
    template: str = ""


@dataclass
class Simulated:
    """A data centre in a process of its own, which can be killed and comes back as it was."""

    state: Path
    port: int = 0
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        words = ("-m", "sagastack.cli", "simulate", "--listen", f"127.0.0.1:{self.port}")
        self.process = subprocess.Popen(
            [sys.executable, *words, "--state", str(self.state)],
            stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env=os.environ | {"SAGASTACK_SIMULATOR": "delay_s.start_guest=0.3", "PYTHONPATH": "."},
        )  # fmt: skip
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        found = re.search(r":(\d+)\s*$", said)
        assert found, f"the simulator did not start: {said}"
        self.port = int(found[1])

    def left(self) -> list[str]:
        """What its guests have there still, by a copy of its journal."""
        copy = self.state.with_suffix(".copy")
        shutil.copy(self.state, copy)
        world = SimWorld.open(copy)
        try:
            residue = world.residue()
            return [f"{one}" for one in (*residue.guests, *residue.disks)]
        finally:
            world.close()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)
            self.process = None


@dataclass
class Site:
    server: Server
    api: Api
    simulated: Simulated
    where: dict[str, str]
    kinds: list[Kind] = field(default_factory=list)
    shape: dict[str, str] = field(default_factory=dict)


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """The zone, with every kind added to it."""
    with ExitStack() as stack:
        simulated = Simulated(folder / "world.jsonl")
        simulated.start()
        stack.callback(simulated.kill)
        kinds, settings = _peers(stack, folder)
        settings |= {
            "SAGASTACK_SIMULATOR": f"server=127.0.0.1:{simulated.port}",
            "SAGASTACK_RECONCILE_S": "1",
        }
        server = stack.enter_context(serving(folder / "home", **settings))
        api = server.api()
        api.cs.timeout, api.cs.job_timeout = 120, 240
        found = Site(server, api, simulated, asyncio.run(_zone(Awaitable(api))))
        rack = {"url": "sim://rack"}
        kinds.append(Kind("Simulator", rack, "sim://pool", lambda _: simulated.left()))
        found.kinds = kinds
        _furnish(found, folder)
        yield found


def _peers(stack: ExitStack, folder: Path) -> tuple[list[Kind], dict[str, str]]:
    for name in ("oracle", "windows"):
        (folder / name).mkdir()
    esx = stack.enter_context(vcenter.running())
    hand = Hand(esx)
    xen = stack.enter_context(xen_pool(folder / "xen"))
    oracle = stack.enter_context(agents(folder / "oracle", "Ovm3"))
    keystone = stack.enter_context(in_a_thread(folder / "region"))
    witness = Witness(keystone, "sagastack", "correct horse")
    witness.sign_in()
    net = f"127.11.{os.getpid() % 250 + 1}"
    windows = HypervPeer(folder / "windows", (f"{net}.1", f"{net}.2"))
    windows.world.share("pool")
    windows.world.cluster = "cloud"
    windows.start()
    stack.callback(windows.stop)
    owner, region = oracle.address(0), keystone.replace("http://", "openstack+http://")
    node = windows.url(next(iter(windows.world.hosts)))
    xen_who = {"username": xen.told["username"], "password": xen.told["password"]}
    kinds = [
        Kind(
            "VMware",
            {"url": esx.url(), "username": vcenter.USER, "password": vcenter.PASSWORD},
            f"vmfs://{vcenter.DATACENTER}/{vcenter.STORES[0]}",
            lambda _: [*hand.machines(), *_vmdks(esx)],
        ),
        Kind(
            "XenServer",
            {"url": xen.told["url"], **xen_who},
            "presetup://localhost/one",
            lambda template: [one for some in xen.left(template).values() for one in some],
        ),
        Kind(
            "Ovm3",
            {"url": owner.url, "username": owner.username, "password": owner.password},
            f"nfs://{EXPORTS[0].replace(':', '')}",
            lambda _: left(oracle),
        ),
        Kind(
            "Hyperv",
            {"url": node, "username": USER, "password": PASSWORD},
            "smb://store/pool",
            lambda _: [*(vm.name for vm in windows.world.vms()), *_vhds(windows)],
        ),
        Kind(
            "OpenStack",
            {
                "url": f"{region}?region=RegionOne&project=cloud&network=public",
                "username": f"{witness.user}@Default",
                "password": witness.password,
            },
            "cinder://fast",
            lambda _: [one for some in witness.left().values() for one in some],
        ),
    ]
    settings = {
        "SAGASTACK_DRIVER_ORACLEVM": f"mounts={oracle.mounts}",
        "SAGASTACK_DRIVER_OPENSTACK": "poll_s=0.05",
    }
    return kinds, settings


def _vmdks(esx: vcenter.VcenterPeer) -> list[str]:
    folder = esx.file(f"[{vcenter.STORES[0]}] sagastack")
    files = [one for one in folder.rglob("*") if one.is_file()]
    return [str(one) for one in files if one.parent.name != "images"]


def _vhds(windows: HypervPeer) -> list[str]:
    folder = windows.world.folder / "shares" / "pool"
    kept = ("disks", "snapshots", "machines", "notes", "incoming")
    return [str(one) for name in kept for one in (folder / name).glob("*")]


async def _zone(api: Any) -> dict[str, str]:
    """A zone whose guest traffic has each kind's own name for the network."""
    await api("updateConfiguration", name="expunge.delay", value="60")
    zone_id = await build.zone(api)
    network_id = await build.physical_network(api, zone_id)
    found = (await api("listTrafficTypes", physicalnetworkid=network_id))["traffictype"]
    guest = next(one for one in found if one["traffictype"] == "Guest")
    await api("updateTrafficType", id=guest["id"], **LABELS)
    return {"zoneid": zone_id, "podid": await build.pod(api, zone_id)}


def _furnish(site: Site, folder: Path) -> None:
    """Clusters, hosts, pools and templates of every kind; one network and one size for all."""
    api, plain, image = site.api, folder / "system.img", folder / "system.qcow2"
    plain.write_bytes(SYSTEM)
    convert = ("qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(plain), str(image))
    subprocess.run(convert, check=True, capture_output=True, timeout=60)
    (folder / "store").mkdir()
    store = (folder / "store").as_uri()
    api("addImageStore", zoneid=site.where["zoneid"], provider="NFS", name="store", url=store)
    os_type = api("listOsTypes", description="Other Linux (64-bit)")["ostype"][0]["id"]
    for kind in site.kinds:
        made = api(
            "addCluster", **site.where, clustername=kind.name.lower(), hypervisor=kind.name,
            clustertype="CloudManaged",
        )  # fmt: skip
        where = site.where | {"clusterid": made["cluster"][0]["id"]}
        api("addHost", **where, hypervisor=kind.name, **kind.host)
        api("createStoragePool", **where, name=f"pool {kind.name}", url=kind.pool, scope="cluster")
        template = api(
            "registerTemplate", name=f"system {kind.name}", displaytext="system", format="QCOW2",
            hypervisor=kind.name, url=image.as_uri(), zoneid=where["zoneid"], ostypeid=os_type,
        )["template"][0]  # fmt: skip
        kind.template = template["id"]
    api("updateZone", id=site.where["zoneid"], allocationstate="Enabled")
    for kind in site.kinds:
        until(lambda kind=kind: _is_ready(api, kind), f"the template of {kind.name} is ready")
    offered = api("listNetworkOfferings", name="DefaultL2NetworkOffering")["networkoffering"]
    network = api(
        "createNetwork", zoneid=site.where["zoneid"], name="plain", displaytext="plain",
        networkofferingid=offered[0]["id"],
    )["network"]  # fmt: skip
    size = api(
        "createServiceOffering", name="small", displaytext="small", cpunumber=1, cpuspeed=500,
        memory=256,
    )["serviceoffering"]  # fmt: skip
    site.shape = {
        "zoneid": site.where["zoneid"],
        "serviceofferingid": size["id"],
        "networkids": network["id"],
    }


def _is_ready(api: Api, kind: Kind) -> bool:
    found = api.one("listTemplates", "template", id=kind.template, templatefilter="all")
    assert "error" not in found.get("status", "").lower(), (kind.name, found["status"])
    return bool(found["isready"])
