"""One zone of hosts of many kinds, each with a cluster, its hosts, a pool and a template."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cs import CloudStackApiException

from tests.e2e.server import Api, Awaitable, Server, serving
from tests.infra import build
from tests.mixed.kinds import Kind, Simulated, protocols
from tests.mixed.kvm import Kvm
from tests.mixed.machine import BOOT_S, Bare
from tests.peers import libvirt
from tests.real.test_oraclevm_real import SYSTEM
from tests.real.test_quickstart import until

LABELS = {
    "kvmnetworklabel": "br0",
    "xennetworklabel": "guests",
    "vmwarenetworklabel": "DVS0,,vmwaredvs",
    "ovm3networklabel": "xenbr0",
}
# Guests go at once, and are measured often (milliseconds).
SETTINGS = {"expunge.delay": "60", "vm.stats.interval": "1000", "host.stats.interval": "1000"}


@dataclass
class Site:
    """`bare` is there in the zone that has a machine which boots over the network."""

    server: Server
    api: Api
    simulated: Simulated
    kvm: Kvm
    bare: Bare | None
    kinds: list[Kind]
    where: dict[str, str]
    shape: dict[str, str] = field(default_factory=dict)

    def client(self) -> Api:
        """One more client, for a thread of its own."""
        return _patient(Api(self.api.endpoint, self.api.key, self.api.secret))


def _patient(api: Api) -> Api:
    api.cs.job_timeout = 600
    return api


@contextmanager
def site(folder: Path, *, with_machine: bool) -> Iterator[Site]:
    """The zone, with every kind added to it."""
    with ExitStack() as stack:
        simulated = Simulated(folder / "world.jsonl")
        simulated.start()
        stack.callback(simulated.kill)
        kvm = Kvm(stack.enter_context(libvirt.mortal_pair()))
        bare = Bare(stack, folder / "machines") if with_machine else None
        kinds = [*protocols(stack, folder), kvm.kind(), simulated.kind()]
        kinds += [bare.kind()] if bare else []
        settings = {"SAGASTACK_RECONCILE_S": "1"}
        for kind in kinds:
            settings |= kind.settings
        server = stack.enter_context(serving(folder / "home", **settings))
        api = _patient(server.api())
        where = asyncio.run(_zone(Awaitable(api)))
        found = Site(server, api, simulated, kvm, bare, kinds, where)
        api("updateConfiguration", name="rolling.maintenance.hooks.dir", value=kvm.hooks)
        _furnish(found, folder)
        yield found


async def _zone(api: Any) -> dict[str, str]:
    """A zone whose guest traffic has each kind's own name for the network."""
    for name, value in SETTINGS.items():
        await api("updateConfiguration", name=name, value=value)
    zone_id = await build.zone(api)
    network_id = await build.physical_network(api, zone_id)
    found = (await api("listTrafficTypes", physicalnetworkid=network_id))["traffictype"]
    guest = next(one for one in found if one["traffictype"] == "Guest")
    await api("updateTrafficType", id=guest["id"], **LABELS)
    return {"zoneid": zone_id, "podid": await build.pod(api, zone_id)}


def _furnish(site: Site, folder: Path) -> None:
    """Clusters, hosts, pools and templates of every kind; one network and one size for all."""
    api, image = site.api, _image(folder)
    (folder / "store").mkdir()
    store = (folder / "store").as_uri()
    api("addImageStore", zoneid=site.where["zoneid"], provider="NFS", name="store", url=store)
    os_type = api("listOsTypes", description="Other Linux (64-bit)")["ostype"][0]["id"]
    for kind in site.kinds:
        _add(site, kind)
        kind.template = api(
            "registerTemplate", name=f"system {kind.name}", displaytext="system", format="QCOW2",
            hypervisor=kind.name, url=(kind.image or image).as_uri(), ostypeid=os_type,
            zoneid=site.where["zoneid"],
        )["template"][0]["id"]  # fmt: skip
    api("updateZone", id=site.where["zoneid"], allocationstate="Enabled")
    for kind in site.kinds:
        until(lambda kind=kind: _is_ready(api, kind), f"the template of {kind.name} is ready")
    # Untagged: the KVM hosts' wires are in namespaces, and the bridge of a VLAN would be in ours.
    offered = api("listNetworkOfferings", name="DefaultL2NetworkOfferingVlan")["networkoffering"]
    network = api(
        "createNetwork", zoneid=site.where["zoneid"], name="plain", displaytext="plain",
        networkofferingid=offered[0]["id"], vlan="untagged",
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


def _add(site: Site, kind: Kind) -> None:
    """A cluster of this kind, its hosts, and the storage that they have."""
    api = site.api
    made = api(
        "addCluster", **site.where, clustername=kind.name.lower(), hypervisor=kind.name,
        clustertype="CloudManaged",
    )  # fmt: skip
    where = site.where | {"clusterid": made["cluster"][0]["id"]}
    for host in kind.hosts:
        added = _added(api, where | host | {"hypervisor": kind.name})
    scope = {"scope": "cluster"}
    if kind.whole_pool:
        scope = {"scope": "HOST", "details[0].hostid": added["id"]}
    api("createStoragePool", **where, name=f"pool {kind.name}", url=kind.pool, **scope)


def _added(api: Api, asked: dict[str, str]) -> dict[str, Any]:
    """The host; one that boots for longer than an answer may take is looked for instead."""

    def up() -> list[dict[str, Any]]:
        found = api("listHosts", hypervisor=asked["hypervisor"], state="Up").get("host", [])
        return [one for one in found if one["id"] not in before]

    before: set[str] = set()
    before = {one["id"] for one in up()}
    try:
        return dict(api("addHost", **asked)["host"][0])
    except CloudStackApiException as error:
        if "look before retry" not in str(error.error):
            raise
    until(lambda: bool(up()), f"{asked['hypervisor']} host is added", BOOT_S)
    return up()[0]


def _image(folder: Path) -> Path:
    """A disk image that no machine boots from, for kinds whose guests are not real."""
    plain, image = folder / "system.img", folder / "system.qcow2"
    plain.write_bytes(SYSTEM)
    convert = ("qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(plain), str(image))
    subprocess.run(convert, check=True, capture_output=True, timeout=60)
    return image


def _is_ready(api: Api, kind: Kind) -> bool:
    found = api.one("listTemplates", "template", id=kind.template, templatefilter="all")
    assert "error" not in found.get("status", "").lower(), (kind.name, found["status"])
    return bool(found["isready"])
