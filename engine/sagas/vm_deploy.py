"""Deploy a virtual machine: it exists at once, and runs when the job has succeeded.

If any step fails nothing of it remains: no record, no address, no disk, no guest.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aggregates.vm import VmBusy, VmCreated, VmExpunged, VmNicsSet, VmState
from aggregates.volume import (
    VolumeAttached,
    VolumeCreated,
    VolumeDetached,
    VolumeKindSet,
    VolumeRemoved,
)
from engine.abilities import demand_deploy
from engine.addresses import free_nics, take_nic
from engine.decisions.volume import hold_source
from engine.disks import source_pool
from engine.guests import Where, add_running_steps, disks_of
from engine.intents.vm import CreateVm, DeployVm, DiskAsk
from engine.ip_rules import forget_guest
from engine.lodging import come_to
from engine.saga import Run, Saga
from projections.affinity_group import affinity_groups
from projections.cluster import clusters
from projections.disk_offering import disk_offerings
from projections.host import hosts
from projections.instance_group import instance_groups
from projections.iso import isos
from projections.network import networks
from projections.security_group import security_groups
from projections.service_offering import service_offerings
from projections.setting import is_on
from projections.storage_pool import storage_pools
from projections.template import templates
from projections.user_data import user_datas
from projections.vm import vms
from projections.volume import volumes
from projections.zone import zones

deploy_vm = Saga("vm.deploy:1", DeployVm, subject="vm", subject_id=lambda ask: ask.vm_id)
create_vm = Saga("vm.create:1", CreateVm, subject="vm", subject_id=lambda ask: ask.deploy.vm_id)


def _write(run: Run[Any], ask: DeployVm) -> None:
    """The guest and its volumes exist from here on."""
    run.row(zones, ask.zone_id)
    demand_deploy(run, ask)
    if ask.iso_id is not None:
        iso = run.row(isos, ask.iso_id)
        iso.ready_in(ask.zone_id)
        run.guard(iso)
    elif ask.template_id is not None and not any(
        disk.is_there or disk.snapshot_id for disk in ask.disks
    ):
        run.row(templates, ask.template_id).ready_in(ask.zone_id)
    run.guard(run.row(service_offerings, ask.service_offering_id))
    run.create(ask.vm_id, _created(run, ask))
    for group_id in ask.affinity_group_ids:
        run.guard(run.row(affinity_groups, group_id))
    for guard_id in ask.security_group_ids:
        run.guard(run.row(security_groups, guard_id))
    if ask.group_id is not None:
        run.guard(run.row(instance_groups, ask.group_id))
    if ask.user_data_id is not None:
        run.guard(run.row(user_datas, ask.user_data_id))
    for disk in ask.disks:
        if disk.is_there:
            _take_over(run, disk, ask.vm_id)
            continue
        if disk.offering_id is not None:
            run.guard(run.row(disk_offerings, disk.offering_id))
        if disk.snapshot_id is not None:
            hold_source(run, disk.snapshot_id, disk.size_bytes)
        is_root = disk.device == 0
        run.create(
            disk.volume_id,
            VolumeCreated(
                name=disk.name,
                account_id=ask.account_id,
                domain_id=ask.domain_id,
                zone_id=ask.zone_id,
                kind="ROOT" if is_root else "DATADISK",
                size_bytes=disk.size_bytes,
                offering_id=disk.offering_id,
                template_id=_made_of(ask, disk),
                part=disk.part,
                vm_id=ask.vm_id,
                device=disk.device,
                is_displayed=True,
                snapshot_id=disk.snapshot_id,
                min_iops=disk.min_iops,
                max_iops=disk.max_iops,
            ),
        )


def _created(run: Run[Any], ask: DeployVm) -> VmCreated:
    """What the guest's first event takes over from what was asked, mostly word for word."""
    return VmCreated(
        name=ask.name,
        display_name=ask.display_name,
        account_id=ask.account_id,
        domain_id=ask.domain_id,
        user_id=ask.user_id,
        zone_id=ask.zone_id,
        template_id=ask.template_id,
        service_offering_id=ask.service_offering_id,
        hypervisor=ask.hypervisor,
        cpu_count=ask.cpu_count,
        cpu_mhz=ask.cpu_mhz,
        memory_mib=ask.memory_mib,
        instance_name=_instance_name(run, ask),
        group_id=ask.group_id,
        user_data=ask.user_data,
        user_data_id=ask.user_data_id,
        user_data_details=ask.user_data_details,
        key_pairs=ask.key_pairs,
        public_keys=ask.public_keys,
        affinity_group_ids=ask.affinity_group_ids,
        security_group_ids=ask.security_group_ids,
        iso_id=ask.iso_id,
        boot=ask.boot,
        keyboard=ask.keyboard,
        password_due=ask.password_due,
        lease_ends_at_ms=ask.lease_ends_at_ms,
        lease_action=ask.lease_action,
        is_scalable=ask.is_scalable,
        appliance=ask.appliance,
        host_tags=ask.host_tags,
        details=ask.details,
        is_displayed=ask.is_displayed,
        nics=[],
    )


def _made_of(ask: DeployVm, disk: DiskAsk) -> UUID | None:
    """The template of a root disk, and of the further disks of an appliance."""
    return ask.template_id if (disk.device == 0 or disk.part) and not disk.is_blank else None


def _instance_name(run: Run[Any], ask: DeployVm) -> str:
    """What hypervisors know the guest by: made of its id and, if the cloud wants it, its name."""
    end = ask.name if is_on(run.cloud, "vm.instancename.flag") else "VM"
    return f"i-{ask.vm_id.hex[:12]}-{end}"


def _take_over(run: Run[Any], ask: DiskAsk, vm_id: UUID) -> None:
    """A volume that is there already becomes the guest's root disk."""
    volume = run.row(volumes, ask.volume_id)
    volume.attachable()
    volume.free()
    volume.living()
    run.change(volume, VolumeKindSet(kind="ROOT"), VolumeAttached(vm_id=vm_id, device=ask.device))


def _erase(run: Run[Any], ask: DeployVm) -> None:
    there = {disk.volume_id for disk in ask.disks if disk.is_there}
    for disk in disks_of(run, ask.vm_id):
        if disk.id in there:
            run.change(disk, VolumeDetached(), VolumeKindSet(kind="DATADISK"))
        else:
            run.change(disk, VolumeRemoved())
    run.change(run.row(vms, ask.vm_id), VmExpunged())


def _pod(run: Run[Any], ask: DeployVm) -> UUID | None:
    """The pod that was asked for, by itself or by a cluster or host of it, or by a disk there."""
    if ask.host_id is not None:
        return run.row(hosts, ask.host_id).pod_id
    if ask.cluster_id is not None:
        return run.row(clusters, ask.cluster_id).pod_id
    if ask.pod_id is not None:
        return ask.pod_id
    for disk in ask.disks:
        if disk.is_there or disk.snapshot_id is not None:
            volume = run.row(volumes, disk.volume_id)
            pool = run.cloud[storage_pools].get(volume.pool_id) or source_pool(run, volume)
            if pool is not None and pool.pod_id is not None:
                return pool.pod_id
    return None


def _take_nics(run: Run[Any], ask: DeployVm) -> None:
    there = [run.row(networks, nic.network_id) for nic in ask.nics]
    for network in there:
        come_to(run, network, ask.account_id)
    pod_id = _pod(run, ask)
    nics = [
        take_nic(run, nic, network, is_default=not number, pod_id=pod_id)
        for number, (nic, network) in enumerate(zip(ask.nics, there, strict=True))
    ]
    run.change(run.row(vms, ask.vm_id), VmNicsSet(nics=nics))


@deploy_vm.step
def create(run: Run[DeployVm]) -> None:
    _write(run, run.intent)
    vm = run.row(vms, run.intent.vm_id)
    run.change(vm, VmBusy(doing=VmState.STARTING, job_id=run.id))


@create.undo
def erase(run: Run[DeployVm]) -> None:
    _erase(run, run.intent)


@deploy_vm.step
def take_addresses(run: Run[DeployVm]) -> None:
    _take_nics(run, run.intent)


@take_addresses.undo
def free_addresses(run: Run[DeployVm]) -> None:
    """Rules may lead to the guest since it has addresses: they go with these."""
    vm = run.row(vms, run.intent.vm_id)
    forget_guest(run, vm)
    free_nics(run, _nic_ids(run.intent))
    run.change(vm, VmNicsSet(nics=[]))


def _nic_ids(ask: DeployVm) -> list[UUID]:
    return [nic.nic_id for nic in ask.nics]


add_running_steps(
    deploy_vm,
    lambda ask: ask.vm_id,
    lambda ask: Where(ask.pod_id, ask.cluster_id, ask.host_id, ask.planner),
    is_first=True,
)


@create_vm.step(no_undo="the only step")
def create_stopped(run: Run[CreateVm]) -> None:
    """All of it is decided at once: a guest that is not started needs nothing of the world."""
    _write(run, run.intent.deploy)
    _take_nics(run, run.intent.deploy)
