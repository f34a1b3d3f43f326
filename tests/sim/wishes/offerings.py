"""Offerings: made, taken off the list while somebody uses them, and guests that ask for much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from aggregates.vm import VmState
from benchmarks.cloud import GIB
from engine.intents.attached import Annotate, SetIcons, TakeDetails, TakeIcons
from engine.intents.nic import SetDhcpOptions
from engine.intents.offering import DeleteOffering
from engine.intents.record import CreateRecord, UpdateRecord
from engine.intents.resource_limit import SetLimit
from engine.intents.storage_pool import UpdateStoragePool
from engine.intents.vm import DiskAsk, NicAsk, StartVm
from engine.intents.vm_life import ScaleVm
from engine.intents.volume import CreateVolume, MigrateVolume, Offering, ResizeVolume
from projections.disk_offering import disk_offerings
from projections.domain import domains
from projections.host import hosts
from projections.instance_group import instance_groups
from projections.iso import isos
from projections.network import networks
from projections.security_group import security_groups
from projections.service_offering import service_offerings
from projections.snapshot import snapshots
from projections.storage_pool import storage_pools
from projections.user import users
from projections.user_data import user_datas
from projections.volume import volumes
from tests.sim.wishes import wish
from tests.sim.wishes.guests import deploy_vm
from tests.sim.wishes.storage import VOLUMES_MAX

if TYPE_CHECKING:
    from tests.sim.tenants import Tenants

OURS = "ours"
OFFERINGS_MAX = 4
SIZE = {"cpu_count": 1, "cpu_mhz": 500, "memory_mib": 512}


@wish(2)
def create_service_offering(who: Tenants) -> object | None:
    """Small, and mostly of guests that are started again when they fall."""
    ours = [row for row in who.cloud[service_offerings] if row.name == OURS]
    if len(ours) >= OFFERINGS_MAX:
        return None
    fields = {"name": OURS, "offer_ha": who.rarely(0.7), **SIZE}
    return CreateRecord(kind="service_offering", id=who.new_id(), fields=fields)


@wish(2)
def create_disk_offering(who: Tenants) -> object | None:
    ours = [row for row in who.cloud[disk_offerings] if row.name == OURS]
    fields = {"name": OURS, "size_bytes": GIB, "storage_tags": who.pick([], [], ["fast"])}
    return (
        CreateRecord(kind="disk_offering", id=who.new_id(), fields=fields)
        if len(ours) < OFFERINGS_MAX
        else None
    )


@wish(2)
def delete_offering(who: Tenants) -> object | None:
    kind = who.pick("service_offering", "disk_offering")
    rows = [row for row in who.cloud.table(kind) if row.name == OURS]
    return DeleteOffering(kind=kind, id=who.pick(*rows).id) if rows else None


@wish(6)
def deploy_richly(who: Tenants) -> object | None:
    """With whatever a guest can be asked for at once."""
    ask = deploy_vm(who)
    if ask is None:
        return None
    size = who.one(service_offerings, lambda one: one.name == OURS)
    if size is not None and size.name == OURS:
        ask = replace(ask, service_offering_id=size.id)
    told, disc = who.one(user_datas, of=ask), who.one(isos)
    groups = [g.id for g in who.cloud[security_groups].by("account_id", ask.account_id)]
    group, other = who.one(instance_groups, of=ask), who.near(networks, ask)
    host = who.one(hosts, lambda one: one.zone_id == ask.zone_id) if who.rarely(0.3) else None
    nics = list(ask.nics)
    if other is not None and other.id != nics[0].network_id and who.rarely(0.5):
        nics.append(NicAsk(nic_id=who.new_id(), network_id=other.id))
    return replace(
        ask, nics=nics, disks=[*ask.disks[:1], *_more_disks(who, ask)],
        user_data_id=told and told.id, user_data=told.content if told else "",
        iso_id=disc.id if disc and disc.is_ready and who.rarely(0.3) else None,
        security_group_ids=groups[:2], group_id=group and group.id,
        host_id=host and host.id, key_pairs=["laptop"], public_keys=("ssh-ed25519 AAAA",),
        password_due=who.rarely(0.5),
    )  # fmt: skip


def _more_disks(who: Tenants, ask: object) -> list[DiskAsk]:
    """One of an offering, or one that holds a snapshot."""
    offering = who.one(disk_offerings, lambda one: one.name == OURS)
    kept = who.near(snapshots, ask)
    name = who.name("more")
    if kept is not None and who.rarely(0.4):
        return [
            DiskAsk(
                volume_id=who.new_id(), name=name, device=1, size_bytes=kept.size_bytes,
                snapshot_id=kept.id,
            )
        ]  # fmt: skip
    if offering is None or offering.name != OURS:
        return []
    return [
        DiskAsk(
            volume_id=who.new_id(), name=name, device=1, size_bytes=GIB, is_blank=True,
            offering_id=offering.id,
        )
    ]  # fmt: skip


@wish(3)
def deploy_from_volume(who: Tenants) -> object | None:
    """Its root disk is there already."""
    ask = deploy_vm(who)
    there = ask and who.near(volumes, ask, lambda one: one.vm_id is None and one.pool_id)
    if there is None or there.pool_id is None:
        return None
    root = DiskAsk(
        volume_id=there.id, name=there.name, device=0, size_bytes=there.size_bytes, is_there=True
    )
    return replace(ask, template_id=there.template_id, disks=[root])


@wish(2)
def scale_to_offering(who: Tenants) -> object | None:
    vm = who.vm(VmState.STOPPED)
    size = who.one(service_offerings, lambda one: one.name == OURS)
    if vm is None or size is None or size.name != OURS:
        return None
    return ScaleVm(vm_id=vm.id, service_offering_id=size.id, **SIZE)


@wish(2)
def volume_of_offering(who: Tenants) -> object | None:
    """In whichever zone there is."""
    offering = who.one(disk_offerings, lambda one: one.name == OURS)
    zones = list(who.cloud.table("zone"))
    if offering is None or len(who.cloud[volumes]) >= VOLUMES_MAX:
        return None
    return CreateVolume(
        volume_id=who.new_id(), zone_id=who.pick(*zones).id, name=who.name("volume"),
        offering_id=offering.id, size_bytes=GIB, **who.owner(),
    )  # fmt: skip


@wish(3)
def reoffer_volume(who: Tenants) -> object | None:
    """Where it lies, or in another pool."""
    volume = who.one(volumes)
    offering = who.one(disk_offerings, lambda one: one.name == OURS)
    if volume is None or offering is None or offering.name != OURS:
        return None
    new = Offering(offering_id=offering.id)
    pool = who.one(storage_pools, lambda one: one.id != volume.pool_id)
    if volume.pool_id is None or pool is None or who.rarely(0.5):
        size_bytes = volume.size_bytes + who.pick(0, GIB)
        return ResizeVolume(volume_id=volume.id, size_bytes=size_bytes, offering=new)
    return MigrateVolume(volume_id=volume.id, pool_id=pool.id, live=True, offering=new)


@wish(1)
def start_on_host(who: Tenants) -> object | None:
    vm, host = who.vm(VmState.STOPPED), who.one(hosts)
    return vm and host and StartVm(vm_id=vm.id, host_id=host.id, consider_last_host=False)


@wish(1)
def set_dhcp_options(who: Tenants) -> object | None:
    vm = who.vm(VmState.STOPPED)
    return (
        SetDhcpOptions(vm_id=vm.id, options={vm.nics[0].network_id: {"66": "192.0.2.9"}})
        if vm and vm.nics
        else None
    )


@wish(1, operator=True)
def tag_pool(who: Tenants) -> object | None:
    pool = who.one(storage_pools)
    return pool and UpdateStoragePool(id=pool.id, tags=who.pick([], ["fast"]))


@wish(1)
def limit_domain(who: Tenants) -> object | None:
    domain = who.one(domains)
    return domain and SetLimit(
        id=who.new_id(), owner_kind="domain", owner_id=domain.id,
        resource=who.pick("user_vm", "volume", "network", "primary_storage"),
        maximum=who.pick(-1, 8, 40),
    )  # fmt: skip


# ---- what hangs on things --------------------------------------------------------------------

NOTED = ("vm", "volume", "network", "host", "zone", "pod", "cluster", "template")


@wish(2)
def annotate(who: Tenants) -> object | None:
    kind, user = who.pick(*NOTED), who.one(users)
    rows = list(who.cloud.table(kind))
    if user is None or not rows:
        return None
    thing_id = who.pick(*rows).id
    return Annotate(id=who.new_id(), kind=kind, thing_id=thing_id, text="look", user_id=user.id)


@wish(1)
def set_icons(who: Tenants) -> object | None:
    kind = who.pick(*NOTED)
    rows = list(who.cloud.table(kind))
    if not rows:
        return None
    things = (who.pick(*rows).id,)
    if who.rarely(0.3):
        return TakeIcons(kind=kind, things=things)
    return SetIcons(kind=kind, things=things, image="x", seed=who.new_id())


@wish(1)
def take_details(who: Tenants) -> object | None:
    kind = who.pick("vm", "volume")
    rows = list(who.cloud.table(kind))
    return TakeDetails(kind=kind, thing_id=who.pick(*rows).id) if rows else None


@wish(1)
def rename_offering(who: Tenants) -> object | None:
    row = who.one(service_offerings, lambda one: one.name == OURS)
    fields = {"sort_key": who.pick(1, 2)}
    return row and UpdateRecord(kind="service_offering", id=row.id, fields=fields)
