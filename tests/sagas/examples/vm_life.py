"""Examples of the sagas of a guest's later life."""

from __future__ import annotations

from aggregates.record import RECORDS
from aggregates.space import SpaceSupplied, space_ledger
from aggregates.storage_pool import StoragePoolAdded, StoragePoolOpened
from aggregates.template import TemplateUpdated
from engine.draft import Draft
from engine.intents.vm import StopVm
from engine.intents.vm_life import MigrateVmWithVolumes, MoveVmDisks, RestoreVm, ScaleVm
from engine.log import Unit
from projections.storage_pool import storage_pools
from projections.template import templates
from projections.vm import vms
from tests.sagas.rig import Rig
from tests.sagas.seed import CLUSTER, GIB, OFFERING, POD, TEMPLATE, ZONE, named, running

SECOND_POOL = named("second pool")


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
    await rig.engine.runner.commits.append(Unit(draft.appends()), draft)


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


async def second_pool(rig: Rig) -> None:
    """Another pool that the seed's hosts reach."""
    if SECOND_POOL in rig.cloud[storage_pools]:
        return
    draft = Draft(rig.cloud)
    added = StoragePoolAdded(
        name="second", url="sim://second", scope="CLUSTER", zone_id=ZONE, hypervisor="Simulator",
        pool_type="Filesystem", pod_id=POD, cluster_id=CLUSTER, host_id=None,
        provider="DefaultPrimary", tags=[], overprovision=1.0, job_id=None,
    )  # fmt: skip
    draft.create(SECOND_POOL, added)
    opened = StoragePoolOpened(capacity_bytes=100 * GIB, used_bytes=0)
    draft.change(draft.row(storage_pools, SECOND_POOL), opened)
    supplied = SpaceSupplied(
        pool_id=SECOND_POOL, zone_id=ZONE, pod_id=POD, cluster_id=CLUSTER,
        capacity_bytes=100 * GIB,
    )  # fmt: skip
    draft.append(space_ledger(SECOND_POOL), 0, supplied)
    await rig.engine.runner.commits.append(Unit(draft.appends()), draft)


async def _migrate_storage(rig: Rig) -> object:
    vm_id = await running(rig)
    await second_pool(rig)
    root = named("root web")
    return MigrateVmWithVolumes(vm_id=vm_id, pools={root: SECOND_POOL})


async def _move_disks(rig: Rig) -> object:
    vm_id = await running(rig)
    await rig.run(StopVm(vm_id=vm_id))
    await second_pool(rig)
    return MoveVmDisks(vm_id=vm_id, pool_id=SECOND_POOL)


EXAMPLES = {
    "vm.move_disks:1": _move_disks,
    "vm.migrate_storage:1": _migrate_storage,
    "vm.scale:1": _scale,
    "vm.restore:1": _restore,
}
