"""From an empty folder to a running guest: what `make run` does, told as it happens.

The cloud is built through the public API with the admin's own key, so what works here works for
every client. A cloud that has a zone already is only continued.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import UUID

import aiohttp

from engine.clock import SystemClock
from engine.tasks import Tasks
from guest.build import READY, build
from guest.debs import Missing
from projections.vm import vms
from projections.zone import zones
from sagastack.boot import Controller, controller
from sagastack.client import Client, Refusal
from sagastack.hostsetup import bridge, libvirtd
from sagastack.narrator import narrate
from sagastack.settings import Settings

Say = Callable[[str], None]

SIMULATED_HOSTS = 4
BOOT_S = 90.0


@dataclass(frozen=True, slots=True)
class Machine:
    """What this machine can be in the first zone. `image` is None where it can run no guests."""

    image: Path | None
    bridge: str


@asynccontextmanager
async def quickstart(settings: Settings, say: Say) -> AsyncIterator[Controller]:
    """A controller with a first zone and a first guest in it, for as long as the block lasts."""
    began = perf_counter()
    settings.home.mkdir(parents=True, exist_ok=True)
    machine = await _prepare(settings.home, say)
    settings = replace(settings, libvirt=settings.libvirt | {"default_bridge": machine.bridge})
    async with controller(settings) as cloud, Tasks() as tasks:
        tasks.spawn(narrate(cloud.feed, cloud.cloud, say), name="narrator")
        if any(cloud.cloud[zones]):
            _continued(cloud, say)
        else:
            await _build(cloud, machine, say)
        await _welcome(cloud, say)
        say(f"ready in {perf_counter() - began:.1f} s; Ctrl-C stops serving, guests run on")
        yield cloud


async def _prepare(home: Path, say: Say) -> Machine:
    """Make the machine a host, as far as it lets us; say plainly what it lacks."""
    daemon, wire = await asyncio.gather(libvirtd.ensure(home / "libvirt"), bridge.ensure())
    for report in (daemon, wire):
        if report.did or not report.ok:
            say(f"this machine: {report}")
    image: Path | None = None
    if daemon.ok:
        try:
            image = (await asyncio.to_thread(build, home, say)).disk
        except Missing as missing:
            say(f"this machine: no guest image: {missing}")
    if image is None:
        say("going on with simulated hosts alone")
    return Machine(image, wire.facts.get("bridge", "") if wire.ok else "")


def _continued(cloud: Controller, say: Say) -> None:
    rows = list(cloud.cloud[vms])
    running = sum(1 for vm in rows if vm.host_id is not None)
    say(f"the same cloud is here again: {len(rows)} guests, {running} of them running")
    if cloud.resumed:
        say(f"{cloud.resumed} interrupted jobs were taken up again")


async def _build(cloud: Controller, machine: Machine, say: Say) -> None:
    found = await cloud.credentials()
    assert found is not None, "a new cloud has an admin"
    clock = SystemClock()
    async with aiohttp.ClientSession() as session:
        api = Client(session, cloud.endpoint, found.api_key, found.secret_key, clock)
        first = FirstZone(api, cloud.settings.home, machine, say)
        vm_id = await first.build()
    if first.is_real:
        await _booted(cloud, UUID(vm_id), say, clock)


async def _booted(cloud: Controller, vm_id: UUID, say: Say, clock: SystemClock) -> None:
    """Wait for the guest's own word on its serial console."""
    host_id = cloud.cloud[vms][vm_id].host_id
    assert host_id is not None
    session = await cloud.hosts.session(host_id)
    console = await session.console(vm_id)
    log = Path(console.serial_log)
    end = perf_counter() + BOOT_S
    while perf_counter() < end:
        line = await asyncio.to_thread(_ready_line, log)
        if line:
            say(f"the guest says on its serial console: {line}")
            return
        await clock.sleep(0.2)
    say(f"the guest runs, but said nothing on its serial console within {BOOT_S:.0f} s: see {log}")


def _ready_line(log: Path) -> str:
    text = log.read_text(errors="replace") if log.exists() else ""
    return next((line.strip() for line in text.splitlines() if READY in line), "")


async def _welcome(cloud: Controller, say: Say) -> None:
    found = await cloud.credentials()
    say("")
    say(f"  endpoint    {cloud.endpoint}")
    if found is not None:
        say(f"  API key     {found.api_key}")
        say(f"  secret key  {found.secret_key}")
        say(f"  login       {found.username} / {found.password or '(as you chose it)'}")
    say("")


class FirstZone:
    """A zone that mixes hypervisors: this machine, and a rack of simulated hosts."""

    def __init__(self, api: Client, home: Path, machine: Machine, say: Say) -> None:
        self._api, self._home, self._machine, self._say = api, home, machine, say
        self._ids: dict[str, str] = {}
        self.is_real = False

    async def build(self) -> str:
        """Everything up to a running guest; answers with the guest's id."""
        await self._network()
        await self._pod()
        if self._machine.image is not None:
            await self._this_machine()
        await self._simulated()
        await self._finish()
        template = await self._template()
        return await self._guest(template)

    async def _network(self) -> None:
        call, job = self._api.call, self._api.job
        zone = await call(
            "createZone",
            name="first",
            networktype="Advanced",
            dns1="192.0.2.53",
            internaldns1="192.0.2.53",
            guestcidraddress="10.1.1.0/24",
            localstorageenabled=True,
        )
        self._ids["zone"] = zone["zone"]["id"]
        physical = await job(
            "createPhysicalNetwork",
            name="wire",
            zoneid=self._ids["zone"],
            isolationmethods="VLAN",
            vlan="100-199",
        )
        self._ids["wire"] = wire = physical["physicalnetwork"]["id"]
        label = self._machine.bridge or None
        for traffic in ("Guest", "Management", "Public", "Storage"):
            await job(
                "addTrafficType", physicalnetworkid=wire, traffictype=traffic, kvmnetworklabel=label
            )
        await self._providers(wire)
        await job("updatePhysicalNetwork", id=wire, state="Enabled")

    async def _providers(self, wire: str) -> None:
        call, job = self._api.call, self._api.job
        listed = await call("listNetworkServiceProviders", physicalnetworkid=wire)
        for provider in listed.get("networkserviceprovider", []):
            if provider["name"] != "VirtualRouter":
                continue
            elements = await call("listVirtualRouterElements", nspid=provider["id"])
            for element in elements.get("virtualrouterelement", []):
                await job("configureVirtualRouterElement", id=element["id"], enabled=True)
            await job("updateNetworkServiceProvider", id=provider["id"], state="Enabled")

    async def _pod(self) -> None:
        pod = await self._api.call(
            "createPod",
            name="rack",
            zoneid=self._ids["zone"],
            gateway="10.70.0.1",
            netmask="255.255.255.0",
            startip="10.70.0.10",
            endip="10.70.0.50",
        )
        self._ids["pod"] = pod["pod"]["id"]

    async def _cluster(self, name: str, hypervisor: str) -> str:
        made = await self._api.call(
            "addCluster",
            clustername=name,
            clustertype="CloudManaged",
            hypervisor=hypervisor,
            podid=self._ids["pod"],
            zoneid=self._ids["zone"],
        )
        cluster_id: str = made["cluster"][0]["id"]
        return cluster_id

    async def _host(self, cluster_id: str, hypervisor: str, url: str) -> dict[str, Any]:
        made = await self._api.call(
            "addHost",
            clusterid=cluster_id,
            hypervisor=hypervisor,
            url=url,
            username="",
            podid=self._ids["pod"],
            zoneid=self._ids["zone"],
        )
        host: dict[str, Any] = made["host"][0]
        return host

    async def _this_machine(self) -> None:
        """This machine as a real host; without it the cloud goes on with simulated ones."""
        cluster_id = await self._cluster("here", "KVM")
        try:
            host = await self._host(cluster_id, "KVM", "qemu:///system")
        except Refusal as refusal:
            self._say(f"this machine cannot be a host: {refusal}")
            await self._api.call("deleteCluster", id=cluster_id)
            return
        pool = self._home / "pool"
        pool.mkdir(exist_ok=True)
        await self._api.call(
            "createStoragePool",
            name="here",
            url=f"file://{pool}",
            zoneid=self._ids["zone"],
            podid=self._ids["pod"],
            clusterid=cluster_id,
            scope="CLUSTER",
        )
        self._say(f"this machine is a host: {host['name']}, {host['cpunumber']} cores")
        self.is_real = True

    async def _simulated(self) -> None:
        cluster_id = await self._cluster("simulated", "Simulator")
        for number in range(1, SIMULATED_HOSTS + 1):
            await self._host(cluster_id, "Simulator", f"sim://rack/host{number}")
        await self._api.call(
            "createStoragePool",
            name="simulated",
            url="sim://rack/pool",
            zoneid=self._ids["zone"],
            podid=self._ids["pod"],
            clusterid=cluster_id,
            scope="CLUSTER",
        )

    async def _finish(self) -> None:
        call = self._api.call
        await call(
            "createVlanIpRange",
            zoneid=self._ids["zone"],
            physicalnetworkid=self._ids["wire"],
            forvirtualnetwork=True,
            vlan="untagged",
            gateway="198.51.100.1",
            netmask="255.255.255.0",
            startip="198.51.100.10",
            endip="198.51.100.200",
        )
        await call(
            "addImageStore",
            name="images",
            provider="NFS",
            url=f"file://{self._home / 'images'}",
            zoneid=self._ids["zone"],
        )
        await call("updateZone", id=self._ids["zone"], allocationstate="Enabled")

    async def _template(self) -> str:
        """The tiny guest's image for a real host; the built-in template for simulated ones."""
        call = self._api.call
        if not self.is_real:
            listed = await call("listTemplates", templatefilter="featured", hypervisor="Simulator")
            builtin: str = listed["template"][0]["id"]
            return builtin
        os_types = await call("listOsTypes", description="Other Linux (64-bit)")
        made = await call(
            "registerTemplate",
            name="Tiny Linux",
            displaytext="busybox on Debian's kernel",
            format="QCOW2",
            hypervisor="KVM",
            ostypeid=os_types["ostype"][0]["id"],
            url=f"file://{self._machine.image}",
            zoneid=self._ids["zone"],
            ispublic=True,
            isfeatured=True,
        )
        template_id: str = made["template"][0]["id"]
        for _ in range(600):
            listed = await call("listTemplates", templatefilter="all", id=template_id)
            template = listed["template"][0]
            if template["isready"]:
                return template_id
            if "Error" in template.get("status", ""):
                raise Refusal(f"the guest's image cannot be used: {template['status']}")
            await SystemClock().sleep(0.1)
        raise Refusal("the guest's image was not ready within a minute")

    async def _guest(self, template_id: str) -> str:
        offerings = await self._api.call("listServiceOfferings", name="Small Instance")
        deployed = await self._api.job(
            "deployVirtualMachine",
            name="first",
            zoneid=self._ids["zone"],
            templateid=template_id,
            serviceofferingid=offerings["serviceoffering"][0]["id"],
        )
        vm = deployed["virtualmachine"]
        cards = ", ".join(nic.get("ipaddress", nic["macaddress"]) for nic in vm["nic"])
        self._say(f"guest {vm['name']} is {vm['state']} on {vm['hostname']} ({cards or 'no NIC'})")
        vm_id: str = vm["id"]
        return vm_id
