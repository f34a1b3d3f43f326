"""Examples of the sagas that make templates of disks, and bring them to pools."""

from __future__ import annotations

from engine.intents.template import RegisterTemplate
from engine.intents.template_create import CreateTemplate, PrepareTemplate
from engine.intents.vm import StopVm
from projections.volume import volumes
from tests.sagas.rig import Rig
from tests.sagas.seed import ACCOUNT, DOMAIN, POOL, TEMPLATE, ZONE, attached_volume, named

MADE = RegisterTemplate(
    template_id=named("made template"),
    account_id=ACCOUNT,
    domain_id=DOMAIN,
    name="made",
    display_text="made",
    url="",
    hypervisor="Simulator",
    image_format="QCOW2",
    trusted=False,
    zone_ids=[ZONE],
)


async def _create(rig: Rig) -> object:
    """Of a volume whose guest is stopped."""
    volume_id = await attached_volume(rig)
    vm_id = rig.cloud[volumes][volume_id].vm_id
    assert vm_id is not None
    await rig.run(StopVm(vm_id=vm_id))
    return CreateTemplate(describe=MADE, volume_id=volume_id)


async def _prepare(rig: Rig) -> object:
    return PrepareTemplate(template_id=TEMPLATE, zone_id=ZONE, pool_ids=[POOL])


EXAMPLES = {"template.create:1": _create, "template.prepare:1": _prepare}
