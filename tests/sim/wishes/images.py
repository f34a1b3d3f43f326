"""Templates that are made of disks, and discs: registered, brought to pools, and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aggregates.template import Template
from engine.genesis import BUILTIN_TEMPLATE
from engine.intents.iso import DeleteIso, RegisterIso
from engine.intents.template import DeleteTemplate, RegisterTemplate
from engine.intents.template_create import CreateTemplate, PrepareTemplate
from projections.iso import isos
from projections.snapshot import snapshots
from projections.storage_pool import storage_pools
from projections.template import templates
from projections.vm import vms
from projections.volume import volumes
from tests.sim.wishes import wish

if TYPE_CHECKING:
    from tests.sim.tenants import Tenants

IMAGES_MAX = 6


def template(who: Tenants, of: Any) -> Template:
    """What guests of this owner are made from: mostly what came with the cloud."""
    made = who.one(templates, lambda one: one.is_ready, of=of) if who.rarely(0.3) else None
    return made or who.cloud[templates][BUILTIN_TEMPLATE]


@wish(3)
def create_template(who: Tenants) -> object | None:
    """Of a snapshot, or of a volume, which the guest must not run from."""
    if len(who.cloud[templates]) >= IMAGES_MAX:
        return None
    stopped = {vm.id for vm in who.cloud[vms] if vm.host_id is None} | {None}
    kept = who.one(snapshots) if who.rarely(0.5) else None
    disk = None if kept else who.one(volumes, lambda one: bool(one.path) and one.vm_id in stopped)
    source = kept or disk
    if source is None:
        return None
    name = who.name("template")
    describe = RegisterTemplate(
        template_id=who.new_id(), account_id=source.account_id, domain_id=source.domain_id,
        name=name, display_text=name, url="", hypervisor="Simulator", image_format="QCOW2",
        trusted=False, zone_ids=[source.zone_id], is_dynamically_scalable=True,
    )  # fmt: skip
    return CreateTemplate(
        describe=describe, volume_id=disk and disk.id, snapshot_id=kept and kept.id
    )


@wish(1)
def prepare_template(who: Tenants) -> object | None:
    pool, image = who.one(storage_pools), who.one(templates, lambda one: one.is_ready)
    return pool and image and PrepareTemplate(
        template_id=image.id, zone_id=pool.zone_id, pool_ids=[pool.id]
    )  # fmt: skip


@wish(2)
def delete_template(who: Tenants) -> object | None:
    made = who.one(templates, lambda one: one.template_type == "USER")
    return made and DeleteTemplate(template_id=made.id)


@wish(1)
def register_iso(who: Tenants) -> object | None:
    name = who.name("disc")
    return RegisterIso(
        template_id=who.new_id(), name=name, display_text=name, url="sim://disc",
        hypervisor="Simulator", image_format="ISO", trusted=True, **who.owner(),
    ) if len(who.cloud[isos]) < IMAGES_MAX else None  # fmt: skip


@wish(1)
def delete_iso(who: Tenants) -> object | None:
    disc = who.one(isos)
    return disc and DeleteIso(template_id=disc.id, even_read=who.rarely(0.5))
