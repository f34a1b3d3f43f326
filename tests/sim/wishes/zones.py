"""Zones: opened and closed to tenants, made and removed, and images that are brought into them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.cloud import ISOLATED
from engine.genesis import ADMIN_ACCOUNT, ROOT_DOMAIN
from engine.intents.cluster import UpdateCluster
from engine.intents.host import UpdateHost
from engine.intents.image_store import EmptyImageStore, RemoveImageStore
from engine.intents.iso import CopyIso, DeleteIso, MoveIso, RegisterIso
from engine.intents.network import CreateNetwork, RemoveNetwork
from engine.intents.physical_network import CreatePhysicalNetwork, RemovePhysicalNetwork
from engine.intents.pod import CreatePod, RemovePod, UpdatePod
from engine.intents.public_range import DedicateRange
from engine.intents.record import RemoveRecord, UpdateRecord
from engine.intents.router import MigrateSystemVm, ReplaceSystemVm
from engine.intents.storage_pool import RemoveStoragePool
from engine.intents.template import CopyTemplate, DeleteTemplate, MoveTemplate, ShareTemplate
from engine.intents.vlan_ip_range import CreateVlanIpRange, RemoveVlanIpRange, UpdateVlanIpRange
from engine.intents.zone import CreateZone, RemoveZone
from projections.cluster import clusters
from projections.host import hosts
from projections.image_store import image_stores
from projections.iso import isos
from projections.network import networks
from projections.physical_network import physical_networks
from projections.pod import pods
from projections.storage_pool import storage_pools
from projections.system_vm import system_vms
from projections.template import templates
from projections.vlan_ip_range import vlan_ip_ranges
from projections.zone import zones
from tests.sim.place import POOLS, ZONES, pool_at
from tests.sim.wishes import wish
from tests.sim.wishes.images import IMAGES_MAX

if TYPE_CHECKING:
    from tests.sim.tenants import Tenants

ZONES_MAX = 4


def _image(who: Tenants) -> Any:
    made = who.pick(templates, isos)
    return who.one(made, lambda one: one.template_type == "USER" and len(one.copies) > 0)


@wish(3)
def copy_image(who: Tenants) -> object | None:
    image = _image(who)
    zone = image and who.one(zones, lambda one: image.copy_in(one.id) is None)
    copy = CopyIso if image and image.KIND == "iso" else CopyTemplate
    return image and zone and copy(template_id=image.id, zone_ids=[zone.id])


@wish(2)
def delete_image_in_zone(who: Tenants) -> object | None:
    image, zone = _image(who), who.one(zones)
    delete = DeleteIso if image and image.KIND == "iso" else DeleteTemplate
    return image and zone and delete(template_id=image.id, zone_id=zone.id)


@wish(2)
def register_iso_in_zones(who: Tenants) -> object | None:
    """From a file; now and then from one that is no disc."""
    if len(who.cloud[isos]) >= IMAGES_MAX:
        return None
    name, file = who.name("disc"), "broken.iso" if who.rarely(0.1) else "outside.iso"
    zone_ids = who.pick([], [ZONES[0]], [ZONES[1]], list(ZONES))
    return RegisterIso(
        template_id=who.new_id(), name=name, display_text=name, hypervisor="None",
        url=f"file://{who.home}/{file}", image_format="ISO", trusted=True,
        zone_ids=zone_ids, **who.owner(),
    )  # fmt: skip


@wish(1)
def share_image(who: Tenants) -> object | None:
    image = who.one(templates, lambda one: one.template_type == "USER")
    other = who.owner()["account_id"]
    return image and ShareTemplate(template_id=image.id, shared_with=[other])


@wish(2, operator=True)
def move_image(who: Tenants) -> object | None:
    image, store = _image(who), who.one(image_stores)
    if image is None or store is None:
        return None
    move = MoveIso if image.KIND == "iso" else MoveTemplate
    return move(template_id=image.id, zone_id=store.zone_id, store_id=store.id)


@wish(1, operator=True)
def empty_image_store(who: Tenants) -> object | None:
    store = who.one(image_stores)
    into = store and who.one(
        image_stores, lambda one: one.zone_id == store.zone_id and one.id != store.id
    )
    return store and into and EmptyImageStore(store_id=store.id, into_ids=[into.id])


@wish(1, operator=True)
def change_image_store(who: Tenants) -> object | None:
    store = who.one(image_stores)
    fields = {"read_only": who.rarely(0.4)}
    return store and UpdateRecord(kind="image_store", id=store.id, fields=fields)


@wish(1, operator=True)
def remove_image_store(who: Tenants) -> object | None:
    store = who.one(image_stores) if len(who.cloud[image_stores]) > 2 else None
    return store and RemoveImageStore(store_id=store.id)


# ---- zones and what is in them ---------------------------------------------------------------


@wish(2, operator=True)
def change_zone(who: Tenants) -> object | None:
    zone, state = who.one(zones), "Disabled" if who.rarely(0.2) else "Enabled"
    return zone and UpdateRecord(kind="zone", id=zone.id, fields={"allocation_state": state})


@wish(2, operator=True)
def create_zone(who: Tenants) -> object | None:
    if len(who.cloud[zones]) >= ZONES_MAX:
        return None
    fields = {
        "name": who.name("zone"), "network_type": "Advanced", "dns1": "192.0.2.1",
        "internal_dns1": "192.0.2.1", "allocation_state": who.pick("Enabled", "Disabled"),
    }  # fmt: skip
    return CreateZone(id=who.new_id(), mac_space_id=who.new_id(), fields=fields)


def _new_zone(who: Tenants) -> Any:
    return who.one(zones, lambda one: one.id not in ZONES)


@wish(2, operator=True)
def remove_zone(who: Tenants) -> object | None:
    zone = _new_zone(who)
    return zone and RemoveZone(id=zone.id)


@wish(2, operator=True)
def create_physical_network(who: Tenants) -> object | None:
    zone = _new_zone(who)
    fields = zone and {
        "zone_id": zone.id, "name": "w", "vlans": who.pick("100-200", ""), "state": "Enabled",
    }  # fmt: skip
    return fields and CreatePhysicalNetwork(id=who.new_id(), seed=who.new_id(), fields=fields)


@wish(1, operator=True)
def remove_physical_network(who: Tenants) -> object | None:
    wire = who.one(physical_networks, lambda one: one.zone_id not in ZONES)
    return wire and RemovePhysicalNetwork(id=wire.id)


@wish(2, operator=True)
def create_pod(who: Tenants) -> object | None:
    zone = _new_zone(who)
    fields = zone and {
        "zone_id": zone.id, "name": who.name("pod"), "gateway": "192.0.2.1",
        "netmask": "255.255.255.0", "start_ip": "192.0.2.10", "end_ip": "192.0.2.20",
    }  # fmt: skip
    return fields and CreatePod(id=who.new_id(), space_id=who.new_id(), fields=fields)


@wish(1, operator=True)
def update_pod(who: Tenants) -> object | None:
    pod, last = who.one(pods), who.pick(*range(12, 30))
    fields: dict[str, Any] = {"end_ip": f"192.0.2.{last}"}
    return pod and UpdatePod(id=pod.id, space_id=who.new_id(), fields=fields)


@wish(1, operator=True)
def remove_pod(who: Tenants) -> object | None:
    pod = who.one(pods, lambda one: one.zone_id not in ZONES)
    return pod and RemovePod(id=pod.id)


@wish(2, operator=True)
def create_network_in_new_zone(who: Tenants) -> object | None:
    zone, name = _new_zone(who), who.name("far")
    return zone and CreateNetwork(
        network_id=who.new_id(), zone_id=zone.id, offering_id=ISOLATED, name=name,
        display_text=name, account_id=ADMIN_ACCOUNT, domain_id=ROOT_DOMAIN, gateway="10.3.0.1",
        netmask="255.255.255.0",
    )  # fmt: skip


@wish(1, operator=True)
def change_cluster(who: Tenants) -> object | None:
    cluster = who.one(clusters)
    fields = who.pick(
        {"allocation_state": "Disabled"}, {"allocation_state": "Enabled"},
        {"cpu_overcommit": 2.0}, {"cpu_overcommit": 1.0},
    )  # fmt: skip
    return cluster and UpdateCluster(id=cluster.id, fields=fields)


@wish(2, operator=True)
def open_cluster(who: Tenants) -> object | None:
    cluster = who.one(clusters, lambda one: one.allocation_state == "Disabled")
    return cluster and UpdateCluster(id=cluster.id, fields={"allocation_state": "Enabled"})


@wish(1, operator=True)
def update_host(who: Tenants) -> object | None:
    host = who.one(hosts)
    return host and UpdateHost(id=host.id, enabled=who.rarely(0.8), name=who.name("host"))


@wish(1, operator=True)
def remove_pool(who: Tenants) -> object | None:
    pool = who.one(storage_pools) if len(who.cloud[storage_pools]) > 2 else None
    return pool and RemoveStoragePool(id=pool.id)


@wish(2, operator=True)
def add_pool(who: Tenants) -> object | None:
    """One that was removed, or that was never there."""
    here = {pool.url for pool in who.cloud[storage_pools]}
    away = [name for name in POOLS if f"sim://{name}" not in here]
    return pool_at(who.cloud, who.pick(*away), who.new_id()) if away else None


# ---- ranges of public addresses, system virtual machines -------------------------------------


@wish(1, operator=True)
def create_range(who: Tenants) -> object | None:
    zone = who.one(zones)
    fields = zone and {
        "zone_id": zone.id, "gateway": "192.0.2.1", "netmask": "255.255.255.0",
        "start_ip": f"192.0.2.{who.pick(100, 110)}", "end_ip": "192.0.2.119",
    }  # fmt: skip
    return fields and CreateVlanIpRange(id=who.new_id(), fields=fields)


@wish(1, operator=True)
def update_range(who: Tenants) -> object | None:
    row = who.one(vlan_ip_ranges, lambda one: one.start_ip.startswith("192"))
    fields = {"end_ip": f"192.0.2.{who.pick(112, 119, 125)}"}
    return row and UpdateVlanIpRange(id=row.id, fields=fields)


@wish(1, operator=True)
def remove_range(who: Tenants) -> object | None:
    row = who.one(vlan_ip_ranges, lambda one: one.start_ip.startswith("192"))
    return row and RemoveVlanIpRange(id=row.id)


@wish(1, operator=True)
def dedicate_range(who: Tenants) -> object | None:
    row, owner = who.one(vlan_ip_ranges), who.owner()
    if row is None or who.rarely(0.5):
        return row and DedicateRange(id=row.id)
    account_id = owner["account_id"] if who.rarely(0.7) else None
    return DedicateRange(id=row.id, account_id=account_id, domain_id=owner["domain_id"])


@wish(1, operator=True)
def migrate_system_vm(who: Tenants) -> object | None:
    row, host = who.one(system_vms), who.one(hosts)
    return row and host and MigrateSystemVm(id=row.id, host_id=host.id)


@wish(1, operator=True)
def replace_system_vm(who: Tenants) -> object | None:
    row = who.one(system_vms)
    return row and ReplaceSystemVm(id=row.id, next_id=who.new_id())


@wish(1, operator=True)
def remove_cluster(who: Tenants) -> object | None:
    cluster = who.one(clusters, lambda one: one.zone_id not in ZONES)
    return cluster and RemoveRecord(kind="cluster", id=cluster.id)


@wish(1, operator=True)
def remove_far_network(who: Tenants) -> object | None:
    network = who.one(networks, lambda one: one.zone_id not in ZONES)
    return network and RemoveNetwork(network_id=network.id)
