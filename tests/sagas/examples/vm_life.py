"""Examples of the sagas of a guest's later life."""

from __future__ import annotations

from aggregates.record import RECORDS
from aggregates.template import TemplateUpdated
from engine.draft import Draft
from engine.intents.vm_life import RestoreVm, ScaleVm
from engine.log import Unit
from projections.template import templates
from projections.vm import vms
from tests.sagas.rig import Rig
from tests.sagas.seed import GIB, OFFERING, TEMPLATE, named, running


async def growing(rig: Rig) -> None:
    """Let guests of the seed's template grow while they run."""
    template = rig.cloud[templates][TEMPLATE]
    if template.is_dynamically_scalable:
        return
    draft = Draft(rig.cloud)
    fields = {"name": "enable.dynamic.scale.vm", "value": "true", "scope": "global"}
    draft.create(named("setting"), RECORDS["setting"].create(fields | {"scope_id": None}))
    draft.change(
        template,
        TemplateUpdated(
            name=template.name, display_text=template.display_text, os_type_id=None,
            password_enabled=False, ssh_key_enabled=False, requires_hvm=False,
            is_dynamically_scalable=True, template_type=template.template_type, template_tag="",
            arch=template.arch, sort_key=0, details={},
        ),
    )  # fmt: skip
    await rig.engine.runner.append(Unit(draft.appends()), draft)


async def _scale(rig: Rig) -> object:
    await growing(rig)
    vm_id = await running(rig)
    vm = rig.cloud[vms][vm_id]
    return ScaleVm(
        vm_id=vm_id, service_offering_id=OFFERING, cpu_count=2, cpu_mhz=vm.cpu_mhz,
        memory_mib=1024,
    )  # fmt: skip


async def _restore(rig: Rig) -> object:
    return RestoreVm(
        vm_id=await running(rig), volume_id=named("fresh root"), template_id=TEMPLATE,
        size_bytes=3 * GIB,
    )  # fmt: skip


EXAMPLES = {"vm.scale:1": _scale, "vm.restore:1": _restore}
