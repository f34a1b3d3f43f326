"""Decisions about the later life of a virtual machine that touch nothing in the world."""

from __future__ import annotations

from uuid import UUID

from aggregates.errors import NotAllowed
from aggregates.record import RECORDS
from aggregates.vm import Vm, VmState
from aggregates.vm_life import VmAssigned, VmScaled
from aggregates.volume import VolumeAssigned, VolumeState
from engine.addresses import free_cards, take_nic
from engine.decide import Desk, decision
from engine.decisions.volume import refuse_tied
from engine.disks import pools_of
from engine.intents.vm_life import AssignVm, ResizeStoppedVm, ScaleVm
from engine.lodging import come_to
from engine.rules_to import refuse_ruled
from engine.vm_snapshots import refuse_while_kept
from projections.network import networks
from projections.service_offering import service_offerings
from projections.tag import tags
from projections.vm import vms
from projections.volume import volumes


@decision
def resize_stopped(ask: ResizeStoppedVm, desk: Desk) -> None:
    vm = desk.row(vms, ask.scale.vm_id)
    _require_stopped(vm)
    refuse_while_kept(desk.cloud, vm, "keeps its size")
    desk.guard(desk.row(service_offerings, ask.scale.service_offering_id))
    desk.change(vm, scaled(ask.scale))


def scaled(ask: ScaleVm) -> VmScaled:
    """The size that was asked for, as a fact."""
    return VmScaled(
        service_offering_id=ask.service_offering_id,
        cpu_count=ask.cpu_count,
        cpu_mhz=ask.cpu_mhz,
        memory_mib=ask.memory_mib,
        host_tags=list(ask.host_tags),
        details=dict(ask.details),
    )


@decision
def assign(ask: AssignVm, desk: Desk) -> None:
    """Guest, volumes and cards change hands in one commit."""
    vm = desk.row(vms, ask.vm_id)
    _require_stopped(vm)
    refuse_while_kept(desk.cloud, vm, "keeps its owner")
    if ask.account_id == vm.account_id:
        raise NotAllowed(f"virtual machine {vm.name} is that account's already: name another")
    for card in vm.nics:
        refuse_ruled(desk.cloud, vm, card)
    old = list(vm.nics)
    cards = []
    pods = (pool.pod_id for pool in pools_of(desk.cloud, vm.id))
    pod_id = next((one for one in pods if one is not None), None)
    for number, nic in enumerate(ask.nics):
        network = desk.row(networks, nic.network_id)
        come_to(desk, network, ask.account_id)
        cards.append(take_nic(desk, nic, network, is_default=number == 0, pod_id=pod_id))
    owner = {"account_id": ask.account_id, "domain_id": ask.domain_id}
    desk.change(vm, VmAssigned(nics=cards, **owner))
    for volume in list(desk.cloud[volumes].by("vm_id", vm.id)):
        if volume.state not in (VolumeState.READY, VolumeState.ALLOCATED):
            raise NotAllowed(f"volume {volume.name} is {volume.state}: wait for its job")
        refuse_tied(desk.cloud, volume)
        desk.change(volume, VolumeAssigned(**owner))
        _pass_tags(desk, volume.id, owner)
    _pass_tags(desk, vm.id, owner)
    free_cards(desk, old)


def _pass_tags(desk: Desk, thing_id: UUID, owner: dict[str, UUID]) -> None:
    """A thing's tags are its owner's to change."""
    for tag in list(desk.cloud[tags].by("resource_id", thing_id)):
        if (changed := RECORDS["tag"].update(tag, owner)) is not None:
            desk.change(tag, changed)


def _require_stopped(vm: Vm) -> None:
    vm.unclaimed()
    if vm.state is not VmState.STOPPED:
        raise NotAllowed(f"virtual machine {vm.name} is {vm.state}: stop it first")
