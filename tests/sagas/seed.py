"""The smallest cloud that every saga can run in, written straight into the log."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from aggregates.address import MAC_FIRST, AddressSpaceCreated
from aggregates.capacity import CapacitySupplied, capacity_ledger
from aggregates.host import HostAdded, HostConnected
from aggregates.network import NetworkCreated
from aggregates.record import RECORDS
from aggregates.space import SpaceSupplied, space_ledger
from aggregates.storage_pool import StoragePoolAdded, StoragePoolOpened
from aggregates.template import TemplateReady, TemplateRegistered
from aggregates.vlan_ip_range import space_of
from engine.draft import Draft
from engine.intents.vm import DeployVm, DiskAsk, NicAsk, StartVm
from engine.intents.volume import AttachVolume, CreateVolume
from engine.log import Unit
from projections.host import hosts
from projections.storage_pool import storage_pools
from projections.template import templates
from projections.vm import vms
from tests.sagas.rig import Rig

GIB = 1024**3


def named(name: str) -> UUID:
    return uuid5(NAMESPACE_URL, name)


ZONE, POD, CLUSTER = named("zone"), named("pod"), named("cluster")
HOSTS = [named("host 1"), named("host 2"), named("host 3")]
POOL, NETWORK, TEMPLATE, OFFERING = (named(n) for n in ("pool", "net", "template", "offering"))
PUBLIC = named("public addresses")
DOMAIN, ROLE, ACCOUNT = named("domain"), named("role"), named("account")


async def seed(rig: Rig) -> None:
    """A zone with three hosts, one pool, one network and one template; nothing runs."""
    draft = Draft(rig.cloud)

    def record(kind: str, row_id: UUID, **fields: Any) -> None:
        draft.create(row_id, RECORDS[kind].create(fields))

    record("domain", DOMAIN, name="ROOT", path="/", level=0)
    record("role", ROLE, name="Root Admin", role_type="Admin")
    record("account", ACCOUNT, name="a", domain_id=DOMAIN, role_id=ROLE, role_type="Admin")
    record(
        "zone", ZONE, name="z", network_type="Advanced", dns1="192.0.2.1",
        internal_dns1="192.0.2.1", allocation_state="Enabled",
    )  # fmt: skip
    record(
        "pod", POD, zone_id=ZONE, name="p", gateway="192.0.2.1", netmask="255.255.255.0",
        start_ip="192.0.2.10", end_ip="192.0.2.20",
    )  # fmt: skip
    record("cluster", CLUSTER, zone_id=ZONE, pod_id=POD, name="c", hypervisor="Simulator")
    record("service_offering", OFFERING, name="small", cpu_count=1, cpu_mhz=500, memory_mib=512)
    for number, host_id in enumerate(HOSTS, 1):
        _host(draft, host_id, f"sim://host{number}")
    _pool(draft)
    macs = AddressSpaceCreated(purpose="mac", zone_id=ZONE, first=MAC_FIRST, last=MAC_FIRST + 99)
    draft.create(named("macs"), macs)
    _network(draft)
    _template(draft)
    await rig.engine.runner.commits.append(Unit(draft.appends()), draft)


def _host(draft: Draft, host_id: UUID, url: str) -> None:
    where: dict[str, Any] = {"zone_id": ZONE, "pod_id": POD, "cluster_id": CLUSTER}
    added = HostAdded(
        name=url, url=url, hypervisor="Simulator", username="", password_ref="", tags=[],
        job_id=None, **where,
    )  # fmt: skip
    draft.create(host_id, added)
    facts = HostConnected(
        name=url, hardware_id=url, hypervisor_version="1", cpu_count=8, cpu_mhz=2000,
        memory_bytes=32 * GIB, accelerated=False, capabilities=[], detail="",
    )  # fmt: skip
    draft.change(draft.row(hosts, host_id), facts)
    supplied = CapacitySupplied(
        host_id=host_id, hypervisor="Simulator", cpu_count=8, cpu_mhz=2000,
        memory_mib=32 * 1024, **where,
    )  # fmt: skip
    draft.append(capacity_ledger(host_id), 0, supplied)


async def second_pool(rig: Rig) -> None:
    """Another pool of the cluster, which nothing is in yet."""
    draft = Draft(rig.cloud)
    if named("second pool") not in rig.cloud[storage_pools]:
        _pool(draft, named("second pool"), "second")
        await rig.engine.runner.commits.append(Unit(draft.appends()), draft)


def _pool(draft: Draft, pool_id: UUID = POOL, name: str = "pool") -> None:
    added = StoragePoolAdded(
        name=name, url=f"sim://{name}", scope="CLUSTER", zone_id=ZONE, hypervisor="Simulator",
        pool_type="Filesystem", pod_id=POD, cluster_id=CLUSTER, host_id=None,
        provider="DefaultPrimary", tags=[], overprovision=1.0, job_id=None,
    )  # fmt: skip
    draft.create(pool_id, added)
    opened = StoragePoolOpened(capacity_bytes=1000 * GIB, used_bytes=0)
    draft.change(draft.row(storage_pools, pool_id), opened)
    supplied = SpaceSupplied(
        pool_id=pool_id, zone_id=ZONE, pod_id=POD, cluster_id=CLUSTER, capacity_bytes=1000 * GIB
    )
    draft.append(space_ledger(pool_id), 0, supplied)


def _network(draft: Draft) -> None:
    created = NetworkCreated(
        name="net", display_text="net", account_id=ACCOUNT, domain_id=DOMAIN, zone_id=ZONE,
        offering_id=named("network offering"), guest_ip_type="Isolated", physical_network_id=None,
        gateway="10.1.1.1", netmask="255.255.255.0", cidr="10.1.1.0/24", start_ip="10.1.1.2",
        end_ip="10.1.1.254", vlan=None, acl_type="Account", network_domain="", dns1="", dns2="",
        is_displayed=True, services={"SourceNat": ["VirtualRouter"]},
    )  # fmt: skip
    draft.create(NETWORK, created)
    addresses = AddressSpaceCreated(
        purpose="guest_ip4", zone_id=ZONE, network_id=NETWORK, first=0x0A010102, last=0x0A0101FE
    )
    draft.create(named("ips"), addresses)
    fields = {
        "zone_id": ZONE, "gateway": "198.51.100.1", "netmask": "255.255.255.0",
        "start_ip": "198.51.100.10", "end_ip": "198.51.100.11",
    }  # fmt: skip
    draft.create(PUBLIC, RECORDS["vlan_ip_range"].create(fields))
    public = AddressSpaceCreated(
        purpose="public_ip4", zone_id=ZONE, first=0xC633640A, last=0xC633640B
    )
    draft.create(space_of(PUBLIC), public)


def _template(draft: Draft) -> None:
    registered = TemplateRegistered(
        name="tiny", display_text="tiny", account_id=ACCOUNT, domain_id=DOMAIN,
        hypervisor="Simulator", image_format="QCOW2", url="sim://tiny", os_type_id=None,
        zone_ids=[], checksum="", is_public=True, is_featured=True,
        is_extractable=False,
        password_enabled=False, ssh_key_enabled=False, requires_hvm=False,
        is_dynamically_scalable=False, template_type="BUILTIN", template_tag="", bits=64,
        arch="x86_64", details={}, job_id=None,
    )  # fmt: skip
    draft.create(TEMPLATE, registered)
    ready = TemplateReady(
        path="sim:tiny", real_format="qcow2", size_bytes=GIB, physical_bytes=GIB, checksum=""
    )
    draft.change(draft.row(templates, TEMPLATE), ready)


def deploy(name: str = "web", *, memory_mib: int = 512) -> DeployVm:
    """A guest with a root disk, a data disk and one card."""
    vm_id = named(f"vm {name}")
    disks = [
        DiskAsk(volume_id=named(f"root {name}"), name=f"ROOT-{name}", device=0, size_bytes=2 * GIB),
        DiskAsk(volume_id=named(f"data {name}"), name=f"DATA-{name}", device=1, size_bytes=GIB),
    ]
    return DeployVm(
        vm_id=vm_id, account_id=ACCOUNT, domain_id=DOMAIN, user_id=None, zone_id=ZONE,
        template_id=TEMPLATE, service_offering_id=OFFERING, name=name, display_name=name,
        hypervisor="Simulator", cpu_count=1, cpu_mhz=500, memory_mib=memory_mib, disks=disks,
        nics=[NicAsk(nic_id=named(f"nic {name}"), network_id=NETWORK)],
    )  # fmt: skip


async def running(rig: Rig, name: str = "web") -> UUID:
    """The id of a guest that runs."""
    ask = deploy(name)
    if ask.vm_id not in rig.cloud[vms]:
        await rig.run(ask)
    elif rig.cloud[vms][ask.vm_id].host_id is None:
        await rig.run(StartVm(vm_id=ask.vm_id))
    return ask.vm_id


async def loose_volume(rig: Rig, name: str = "loose") -> UUID:
    """The id of a data disk that nobody has attached yet."""
    ask = CreateVolume(
        volume_id=named(name), account_id=ACCOUNT, domain_id=DOMAIN, zone_id=ZONE, name=name,
        size_bytes=GIB,
    )  # fmt: skip
    await rig.engine.decide(ask, rig.by)
    return ask.volume_id


async def attached_volume(rig: Rig) -> UUID:
    vm_id, volume_id = await running(rig), await loose_volume(rig)
    await rig.run(AttachVolume(volume_id=volume_id, vm_id=vm_id))
    return volume_id
