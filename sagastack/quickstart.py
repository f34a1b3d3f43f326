"""From an empty folder to a running guest: what `make run` does, told as it happens.

The cloud is built through the public API with the admin's own key, so what works here works for
every client. Each thing is looked for before it is made, and the zone is enabled last: an attempt
that was interrupted is taken up where it was, and a zone that is enabled is only continued.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import UUID

import aiohttp

from engine.clock import SystemClock
from engine.tasks import Tasks
from guest.build import READY, build
from guest.debs import Missing
from projections.host import hosts
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
# Where this machine has no bridge: addresses that are for examples alone (RFC 5737).
NOWHERE = IPv4Interface("198.51.100.1/24")
# Which addresses of the subnet are the zone's to give.
PUBLIC = (100, 200)
IMAGE_LOOKS, IMAGE_LOOK_S = 600, 0.1


@dataclass(frozen=True, slots=True)
class Machine:
    """What this machine can be in the first zone. `image` is None where it can run no guests.

    `outside` is the machine's own address on the bridge, with its subnet: the network that is the
    outside for the zone, so that what guests are reached by can be tried from here.
    """

    image: Path | None
    bridge: str
    outside: IPv4Interface = NOWHERE


@asynccontextmanager
async def quickstart(settings: Settings, say: Say) -> AsyncIterator[Controller]:
    """A controller with a first zone and a first guest in it, for as long as the block lasts."""
    began = perf_counter()
    settings.home.mkdir(parents=True, exist_ok=True)
    machine = await _prepare(settings.home, say)
    settings = replace(settings, libvirt=settings.libvirt | {"default_bridge": machine.bridge})
    async with controller(settings) as cloud, Tasks() as tasks:
        tasks.spawn(narrate(cloud.feed, cloud.cloud, say), name="narrator")
        if any(zone.allocation_state == "Enabled" for zone in cloud.cloud[zones]):
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
    if not wire.ok:
        return Machine(image, "")
    subnet = IPv4Network(wire.facts["cidr"])
    outside = IPv4Interface(f"{wire.facts['gateway']}/{subnet.prefixlen}")
    fits = subnet.num_addresses > PUBLIC[1] and outside.ip < subnet[PUBLIC[0]]
    return Machine(image, wire.facts["bridge"], outside if fits else NOWHERE)


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
        for host in cloud.cloud[hosts]:
            if host.hypervisor == "KVM":
                speed = "KVM acceleration" if host.accelerated else "QEMU's emulation"
                say(f"guests on {host.name} run with {speed}" + _because(host.detail))
        await _booted(cloud, UUID(vm_id), say, clock)


def _because(detail: str) -> str:
    words = detail.removeprefix("emulation: ")
    return f": {words}" if words else ""


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
    say(f"  console     {cloud.console}")
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
        self._zone = self._wire = self._pod = ""
        self.is_real = False

    async def build(self) -> str:
        """Everything up to a running guest and an enabled zone; answers with the guest's id."""
        self._zone = await self._once(
            "Zone",
            name="first",
            networktype="Advanced",
            dns1="192.0.2.53",
            internaldns1="192.0.2.53",
            guestcidraddress="10.1.1.0/24",
            localstorageenabled=True,
        )
        await self._wires()
        self._pod = await self._once(
            "Pod",
            name="rack",
            zoneid=self._zone,
            gateway="10.70.0.1",
            netmask="255.255.255.0",
            startip="10.70.0.10",
            endip="10.70.0.50",
        )
        if self._machine.image is not None:
            await self._this_machine()
        await self._simulated()
        await self._stores()
        vm_id = await self._guest(await self._template())
        await self._api.call("updateZone", id=self._zone, allocationstate="Enabled")
        return vm_id

    async def _once(
        self, noun: str, *, verb: str = "create", by: str = "name", key: str = "", **params: Any
    ) -> str:
        """The id of a thing, made only if no listing shows it yet."""
        key = key or noun.lower()
        where = {"zoneid": self._zone} if self._zone and noun != "Zone" else {}
        listed = await self._api.call(f"list{noun}s", **where)
        for thing in listed.get(key, []):
            if thing.get(by) == params.get("clustername" if noun == "Cluster" else by):
                return str(thing["id"])
        made = await self._api.call(f"{verb}{noun}", **params)
        if "jobid" in made:
            made = await self._api.wait(f"{verb}{noun}", made["jobid"])
        inside = next(value for value in made.values() if isinstance(value, list | dict))
        return str((inside[0] if isinstance(inside, list) else inside)["id"])

    async def _wires(self) -> None:
        """A physical network that carries every kind of traffic, with a virtual router on it."""
        call, job = self._api.call, self._api.job
        self._wire = wire = await self._once(
            "PhysicalNetwork", name="wire", zoneid=self._zone, isolationmethods="VLAN"
        )
        listed = await call("listTrafficTypes", physicalnetworkid=wire)
        there = {one["traffictype"] for one in listed.get("traffictype", [])}
        label = self._machine.bridge or None
        for traffic in ("Guest", "Management", "Public", "Storage"):
            if traffic not in there:
                what: dict[str, Any] = {"physicalnetworkid": wire, "traffictype": traffic}
                await job("addTrafficType", **what, kvmnetworklabel=label)
        listed = await call("listNetworkServiceProviders", physicalnetworkid=wire)
        for provider in listed.get("networkserviceprovider", []):
            if provider["name"] == "VirtualRouter":
                elements = await call("listVirtualRouterElements", nspid=provider["id"])
                for element in elements.get("virtualrouterelement", []):
                    await job("configureVirtualRouterElement", id=element["id"], enabled=True)
                await job("updateNetworkServiceProvider", id=provider["id"], state="Enabled")
        await job("updatePhysicalNetwork", id=wire, state="Enabled", vlan="100-199")

    async def _cluster(self, name: str, hypervisor: str) -> str:
        return await self._once(
            "Cluster",
            verb="add",
            clustername=name,
            clustertype="CloudManaged",
            hypervisor=hypervisor,
            podid=self._pod,
            zoneid=self._zone,
        )

    async def _host(self, cluster_id: str, hypervisor: str, url: str) -> None:
        listed = await self._api.call("listHosts", clusterid=cluster_id, type="Routing")
        # A host is called what it calls itself, so those of a cluster are told by their number.
        if len(listed.get("host", [])) < (1 if hypervisor == "KVM" else SIMULATED_HOSTS):
            where = {"clusterid": cluster_id, "podid": self._pod, "zoneid": self._zone}
            await self._api.call("addHost", hypervisor=hypervisor, url=url, username="", **where)

    async def _pool(self, cluster_id: str, name: str, url: str) -> None:
        where = {"clusterid": cluster_id, "podid": self._pod, "zoneid": self._zone}
        await self._once("StoragePool", name=name, url=url, scope="CLUSTER", **where)

    async def _this_machine(self) -> None:
        """This machine as a real host; without it the cloud goes on with simulated ones."""
        cluster_id = await self._cluster("here", "KVM")
        try:
            await self._host(cluster_id, "KVM", "qemu:///system")
        except Refusal as refusal:
            self._say(f"this machine cannot be a host: {refusal}")
            await self._api.call("deleteCluster", id=cluster_id)
            return
        pool = self._home / "pool"
        pool.mkdir(exist_ok=True)
        await self._pool(cluster_id, "here", f"file://{pool}")
        self.is_real = True

    async def _simulated(self) -> None:
        cluster_id = await self._cluster("simulated", "Simulator")
        for number in range(1, SIMULATED_HOSTS + 1):
            await self._host(cluster_id, "Simulator", f"sim://rack/host{number}")
        await self._pool(cluster_id, "simulated", "sim://rack/pool")

    async def _stores(self) -> None:
        """Public addresses, and a place for images."""
        outside = self._machine.outside
        await self._once(
            "VlanIpRange",
            by="startip",
            key="vlaniprange",
            zoneid=self._zone,
            physicalnetworkid=self._wire,
            forvirtualnetwork=True,
            vlan="untagged",
            gateway=str(outside.ip),
            netmask=str(outside.netmask),
            startip=str(outside.network[PUBLIC[0]]),
            endip=str(outside.network[PUBLIC[1]]),
        )
        await self._once(
            "ImageStore",
            verb="add",
            name="images",
            provider="NFS",
            url=f"file://{self._home / 'images'}",
            zoneid=self._zone,
        )

    async def _template(self) -> str:
        """The tiny guest's image for a real host; the built-in template for simulated ones."""
        call = self._api.call
        if not self.is_real:
            listed = await call("listTemplates", templatefilter="featured", hypervisor="Simulator")
            return str(listed["template"][0]["id"])
        listed = await call("listTemplates", templatefilter="all", name="Tiny Linux")
        if not listed:
            os_types = await call("listOsTypes", description="Other Linux (64-bit)")
            listed = await call(
                "registerTemplate",
                name="Tiny Linux",
                displaytext="busybox on Debian's kernel",
                format="QCOW2",
                hypervisor="KVM",
                ostypeid=os_types["ostype"][0]["id"],
                url=f"file://{self._machine.image}",
                zoneid=self._zone,
                ispublic=True,
                isfeatured=True,
            )
        template_id = str(listed["template"][0]["id"])
        for _ in range(IMAGE_LOOKS):
            template = (await call("listTemplates", templatefilter="all", id=template_id))[
                "template"
            ][0]
            if template["isready"]:
                return template_id
            if "Error" in template.get("status", ""):
                raise Refusal(f"the guest's image cannot be used: {template['status']}")
            await SystemClock().sleep(IMAGE_LOOK_S)
        raise Refusal("the guest's image was not ready within a minute")

    async def _guest(self, template_id: str) -> str:
        listed = await self._api.call("listVirtualMachines", name="first")
        for vm in listed.get("virtualmachine", []):
            if vm["state"] == "Running":
                return str(vm["id"])
        offerings = await self._api.call("listServiceOfferings", name="Small Instance")
        deployed = await self._api.job(
            "deployVirtualMachine",
            name="first",
            zoneid=self._zone,
            templateid=template_id,
            serviceofferingid=offerings["serviceoffering"][0]["id"],
        )
        vm = deployed["virtualmachine"]
        cards = ", ".join(nic.get("ipaddress", nic["macaddress"]) for nic in vm["nic"])
        self._say(f"guest {vm['name']} is {vm['state']} on {vm['hostname']} ({cards or 'no NIC'})")
        return str(vm["id"])
