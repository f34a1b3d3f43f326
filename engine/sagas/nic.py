"""Plug a network card into a guest and take one out, while the guest runs or not."""

from __future__ import annotations

from typing import Any

from aggregates.errors import InUse, NotAllowed
from aggregates.vm import Nic, Vm, VmNicsSet, VmState, VmWorkEnded
from drivers.contract.compute import Power
from engine.abilities import demand, demand_alive
from engine.addresses import free_cards, free_nics, pod_of, take_nic
from engine.guests import nic_spec
from engine.intents.nic import ADDING, AddNic, RemoveNic
from engine.lodging import come_to
from engine.routers import implement
from engine.rules_to import refuse_ruled
from engine.saga import Key, Run, Saga
from engine.vm_snapshots import refuse_while_kept
from projections.host import hosts
from projections.network import networks
from projections.vm import vms

add_nic = Saga("nic.add:1", AddNic, subject="vm", subject_id=lambda ask: ask.vm_id)
remove_nic = Saga("nic.remove:1", RemoveNic, subject="vm", subject_id=lambda ask: ask.vm_id)


def _vm(run: Run[Any]) -> Vm:
    return run.row(vms, run.intent.vm_id)


async def _plug(run: Run[Any], nic: Nic, key: Key) -> None:
    """A stopped guest gets the card when it starts; so does one that has just died."""
    vm = _vm(run)
    if vm.host_id is None:
        return
    session = await run.world.hosts.session(vm.host_id)
    status = await session.find_guest(vm.id)
    if status is not None and status.power is Power.RUNNING:
        await session.attach_nic(vm.id, nic_spec(run, vm, nic), key=key)


async def _unplug(run: Run[Any], nic: Nic) -> None:
    vm = _vm(run)
    if vm.host_id is not None:
        session = await run.world.hosts.session(vm.host_id)
        await session.detach_nic(vm.id, nic.id, key=run.key)


@add_nic.step
def begin(run: Run[AddNic]) -> Nic:
    """Take the guest, and a card with its addresses."""
    vm, ask = _vm(run), run.intent.nic
    refuse_while_kept(run.cloud, vm, "takes no other network card")
    if vm.nics:
        demand(run, vm.hypervisor, "several_nics")
    demand_alive(run, vm, "nic_hot_plug", "attach_nic")
    network = run.row(networks, ask.network_id)
    if any(nic.network_id == network.id for nic in vm.nics):
        raise InUse(f"virtual machine {vm.name} is on network {network.name} already")
    run.change(vm, vm.work(ADDING, run.id, VmState.RUNNING, VmState.STOPPED))
    come_to(run, network, vm.account_id)
    host = run.cloud[hosts].get(vm.host_id)
    pod_id = host.pod_id if host is not None else pod_of(run.cloud, vm.nics)
    return take_nic(run, ask, network, is_default=not vm.nics, pod_id=pod_id)


@begin.undo
def give_up(run: Run[AddNic]) -> None:
    free_nics(run, [run.intent.nic.nic_id])
    run.change(_vm(run), VmWorkEnded())


@add_nic.step
async def plug(run: Run[AddNic]) -> None:
    await _plug(run, run[begin], run.key)


@plug.undo
async def unplug(run: Run[AddNic]) -> None:
    await _unplug(run, run[begin])


@add_nic.step(no_undo="the last step: nothing after it can fail")
def added(run: Run[AddNic]) -> None:
    vm, network = _vm(run), run.row(networks, run.intent.nic.network_id)
    run.change(vm, VmNicsSet(nics=[*vm.nics, run[begin]]), VmWorkEnded())
    if vm.host_id is not None:
        implement(run, network)


@remove_nic.step
def begin_removal(run: Run[RemoveNic]) -> None:
    vm = _vm(run)
    nic = vm.nic(run.intent.nic_id)
    refuse_while_kept(run.cloud, vm, "keeps its network cards")
    demand_alive(run, vm, "nic_hot_plug", "detach_nic")
    if nic.is_default:
        raise NotAllowed(
            f"network card {nic.id} is the default one of virtual machine {vm.name}: "
            "make another one its default first"
        )
    refuse_ruled(run.cloud, vm, nic)
    run.change(vm, vm.work("RemovingNic", run.id, VmState.RUNNING, VmState.STOPPED))


@begin_removal.undo
def let_be(run: Run[RemoveNic]) -> None:
    run.change(_vm(run), VmWorkEnded())


@remove_nic.step
async def pull(run: Run[RemoveNic]) -> None:
    await _unplug(run, _vm(run).nic(run.intent.nic_id))


@pull.undo
async def plug_again(run: Run[RemoveNic]) -> None:
    await _plug(run, _vm(run).nic(run.intent.nic_id), run.undo_key)


@remove_nic.step(no_undo="the last step: nothing after it can fail")
def removed(run: Run[RemoveNic]) -> None:
    """Refused if a rule leads there by now: it is plugged in again."""
    vm = _vm(run)
    gone = vm.nic(run.intent.nic_id)
    refuse_ruled(run.cloud, vm, gone)
    free_cards(run, [gone])
    left = [nic for nic in vm.nics if nic.id != gone.id]
    run.change(vm, VmNicsSet(nics=left), VmWorkEnded())
