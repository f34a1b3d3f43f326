"""What runs of the simulation have found, each told alone, so that no seed is needed to see it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from aggregates.affinity_group import APART
from aggregates.errors import InUse, LimitReached, NotAllowed
from aggregates.saga import RunState
from aggregates.storage_pool import PoolState
from benchmarks.cloud import (
    BY,
    GIB,
    NETWORK,
    POOL,
    ZONE,
    Bed,
    deploy,
    named,
    network,
)
from drivers.contract.compute import Power
from drivers.contract.errors import Refused, Unknown
from drivers.sim import Fault, SimDriver, SimWorld, copies
from drivers.sim.rows import Gone
from engine.engine import JobFailed
from engine.genesis import ADMIN_ACCOUNT, BUILTIN_TEMPLATE, ROOT_DOMAIN
from engine.intents.adopt import UnmanageVm
from engine.intents.download_link import OpenDownload
from engine.intents.host import ReconnectHost, RemoveHost
from engine.intents.ip_rule import CreateIpRule
from engine.intents.iso import AttachIso
from engine.intents.network import RemoveNetwork
from engine.intents.nic import AddNic, RemoveNic
from engine.intents.public_ip_address import AllocateAddress, EnableStaticNat
from engine.intents.record import CreateRecord
from engine.intents.resource_limit import SetLimit
from engine.intents.saga import CancelJob
from engine.intents.snapshot import CreateSnapshot, DeleteSnapshot
from engine.intents.storage_pool import MaintainStoragePool, ServeStoragePool
from engine.intents.template import DeleteTemplate, RegisterTemplate
from engine.intents.template_create import CreateTemplate, PrepareTemplate
from engine.intents.vm import MigrateVm, NicAsk, StopVm, VmFound
from engine.intents.vm_life import MigrateVmWithVolumes, RestoreVm
from engine.intents.volume import CreateVolume, MigrateVolume
from engine.log import Log
from engine.saga import SAGAS
from projections.counts import Counts
from projections.host import hosts
from projections.port_forwarding_rule import port_forwarding_rules
from projections.saga import saga_runs
from projections.space import Space
from projections.storage_pool import storage_pools
from projections.vm import vms
from projections.volume import volumes
from tests.engine.acting import until
from tests.engine.judged import bed, sim

__all__ = ["bed", "sim"]

MADE = RegisterTemplate(
    template_id=named("made"), account_id=ADMIN_ACCOUNT, domain_id=ROOT_DOMAIN, name="made",
    display_text="made", url="", hypervisor="Simulator", image_format="QCOW2", trusted=False,
    zone_ids=[ZONE],
)  # fmt: skip
TENANT = {"account_id": named("tenant 0"), "domain_id": ROOT_DOMAIN}


def volume(name: str) -> CreateVolume:
    return CreateVolume(volume_id=named(name), zone_id=ZONE, name=name, size_bytes=GIB, **TENANT)


@pytest.mark.parametrize("gets_in", [True, False])
async def test_who_goes_away_keeps_what_it_was_promised_until_the_log_has_said(
    bed: Bed, gets_in: bool
) -> None:
    limit = {"owner_kind": "account", "owner_id": TENANT["account_id"]}
    one = SetLimit(id=named("limit"), resource="volume", maximum=1, **limit)
    await bed.engine.decide(one, BY)
    real, held = Log.submit, asyncio.Event()

    async def slow(log: Log, unit: Any) -> Any:
        await held.wait()
        if not gets_in:
            raise OSError("it is lost")
        return await real(log, unit)

    with patch.object(Log, "submit", lambda *ask: asyncio.ensure_future(slow(*ask))):
        first = asyncio.create_task(bed.engine.decide(volume("first"), BY))
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.wait([first])
    second = asyncio.create_task(bed.engine.decide(volume("second"), BY))
    await asyncio.sleep(0.01)
    assert not second.done(), "what only a promise refuses is not refused yet"
    held.set()
    if gets_in:
        with pytest.raises(LimitReached):
            await second
    else:
        await second
    await until(lambda: not bed.engine.cloud.view(Counts)._promises)
    assert (named("first") in bed.engine.cloud[volumes]) is gets_in
    assert (named("second") in bed.engine.cloud[volumes]) is not gets_in


@pytest.mark.parametrize("what", ["port forwarding", "static NAT"])
async def test_rules_to_a_guest_that_never_starts_go_with_it(
    bed: Bed, sim: SimDriver, what: str
) -> None:
    """They can be made as soon as it has an address, which is before it runs."""
    owner = {"account_id": ADMIN_ACCOUNT, "domain_id": ROOT_DOMAIN}
    address = AllocateAddress(id=named("address"), zone_id=ZONE, network_id=NETWORK, **owner)
    await bed.engine.decide(address, BY)
    sim.faults.fail("start_guest", Fault.REFUSED)
    ask = deploy("web")
    job = await bed.engine.submit(ask, BY)
    rule: Any = EnableStaticNat(address_id=address.id, vm_id=ask.vm_id)
    if what == "port forwarding":
        rule = _rule(ask.vm_id)
    await bed.engine.decide(rule, BY)
    row = await bed.engine.runner.wait(job.id)
    assert row.state is RunState.FAILED, row.error_text
    assert ask.vm_id not in bed.engine.cloud[vms]


@pytest.mark.parametrize("how", [MigrateVm, MigrateVmWithVolumes])
async def test_a_guest_is_not_moved_to_where_its_group_keeps_it_from(bed: Bed, how: Any) -> None:
    fields = {"name": "apart", "kind": APART, "account_id": ADMIN_ACCOUNT, "domain_id": ROOT_DOMAIN}
    group = CreateRecord(kind="affinity_group", id=named("apart"), fields=fields)
    await bed.engine.decide(group, BY)
    asks = [replace(deploy(name), affinity_group_ids=(group.id,)) for name in ("one", "two")]
    for ask in asks:
        await bed.engine.perform(ask, BY)
    one, two = (bed.engine.cloud[vms][ask.vm_id] for ask in asks)
    assert one.host_id != two.host_id
    with pytest.raises(JobFailed, match=r"keeps it away|no host has room"):
        await bed.engine.perform(how(vm_id=one.id, host_id=two.host_id), BY)
    await bed.engine.perform(how(vm_id=one.id), BY)
    assert bed.engine.cloud[vms][one.id].host_id not in (None, two.host_id)


@pytest.mark.parametrize("is_refused", [False, True])
async def test_a_guest_that_is_restored_keeps_the_disc_in_its_drive(
    bed: Bed, sim: SimDriver, is_refused: bool
) -> None:
    ask = deploy("web")
    await bed.engine.perform(ask, BY)
    await bed.engine.perform(AttachIso(vm_id=ask.vm_id, iso_id=named("disc")), BY)
    (before,) = sim.world.residue().guests
    restore = RestoreVm(
        vm_id=ask.vm_id, volume_id=named("fresh"), template_id=BUILTIN_TEMPLATE, size_bytes=GIB
    )
    if is_refused:
        sim.faults.fail("start_guest", Fault.REFUSED, nth=1)
        with pytest.raises(JobFailed):
            await bed.engine.perform(restore, BY)
    else:
        await bed.engine.perform(restore, BY)
    (after,) = sim.world.residue().guests
    assert [disk for disk in after.disks if disk.is_cdrom] == list(before.disks[-1:])


async def test_a_guest_that_dies_where_it_was_moved_to_keeps_nobody_from_taking_the_move_back(
    bed: Bed, sim: SimDriver
) -> None:
    ask = deploy("web")
    await bed.engine.perform(ask, BY)
    step = next(one for one in SAGAS["vm.migrate:1"].steps if one.name == "move")
    real = step.do

    async def moves_and_dies(run: Any) -> None:
        await real(run)
        sim.world.kill_guest(ask.vm_id, power=Power.CRASHED)
        raise Refused("no more of this")

    with patch.object(step, "do", moves_and_dies):
        job = await bed.engine.submit(MigrateVm(vm_id=ask.vm_id), BY)
        row = await bed.engine.runner.wait(job.id)
    assert row.state is RunState.FAILED, row.error_text
    assert sim.world.where(ask.vm_id) == []
    vm = bed.engine.cloud[vms][ask.vm_id]
    found = VmFound(vm_id=vm.id, version=vm.version, why="gone")
    await bed.engine.decide(found, BY)


async def test_a_guest_that_dies_where_its_disks_were_copied_to_has_moved(
    bed: Bed, sim: SimDriver
) -> None:
    """Nobody heard that it arrived. What it wrote since is in the copies, which stay."""
    ask = deploy("web")
    await bed.engine.perform(ask, BY)
    before = bed.engine.cloud[vms][ask.vm_id].host_id
    step = next(one for one in SAGAS["vm.migrate_storage:1"].steps if one.name == "move")
    real, tried = step.do, list[int]()

    async def moves_unheard(run: Any) -> Any:
        paths = await real(run)
        tried.append(1)
        if len(tried) == 1:
            sim.world.kill_guest(ask.vm_id)
            raise Unknown("nobody heard of it")
        return paths

    disk = ask.disks[0].volume_id
    with patch.object(step, "do", moves_unheard):
        await bed.engine.perform(
            MigrateVmWithVolumes(vm_id=ask.vm_id, pools={disk: named("pool2")}), BY
        )
    (guest,) = sim.world.where(ask.vm_id)
    vm = bed.engine.cloud[vms][ask.vm_id]
    assert vm.host_id not in (before, None) and len(tried) == 2
    assert bed.engine.cloud[volumes][disk].path == guest.disks[0].path
    found = VmFound(vm_id=vm.id, version=vm.version, why="it died")
    await bed.engine.decide(found, BY)
    sim.world.commit(Gone("guest", guest.host, guest.ident))


async def test_a_guest_that_has_moved_is_not_taken_back_as_its_disks_are_not_told(
    bed: Bed, sim: SimDriver
) -> None:
    ask = deploy("web")
    await bed.engine.perform(ask, BY)
    disk = ask.disks[0].volume_id
    sim.faults.fail("find_disk", Fault.REFUSED, times=1)
    await bed.engine.perform(
        MigrateVmWithVolumes(vm_id=ask.vm_id, pools={disk: named("pool2")}), BY
    )
    (guest,) = sim.world.where(ask.vm_id)
    assert bed.engine.cloud[volumes][disk].path == guest.disks[0].path


async def test_a_disk_that_has_moved_is_not_taken_back_as_its_guest_dies_at_the_next_attempt(
    bed: Bed, sim: SimDriver
) -> None:
    """The first attempt could not remove what it was copied from; the copy is the volume."""
    ask = deploy("web")
    await bed.engine.perform(ask, BY)
    real, tried = copies.move, list[int]()

    def moves(world: SimWorld, *call: Any, key: Any) -> Any:
        tried.append(1)
        if len(tried) == 2:
            world.kill_guest(ask.vm_id)
        return real(world, *call, key=key)

    disk, pool = ask.disks[0].volume_id, named("pool2")
    sim.faults.fail("remove_disk", Fault.BEFORE, times=1)
    with patch.object(copies, "move", moves):
        await bed.engine.perform(MigrateVolume(volume_id=disk, pool_id=pool, live=True), BY)
    (guest,) = sim.world.where(ask.vm_id)
    assert len(tried) == 2
    assert bed.engine.cloud[volumes][disk].path == guest.disks[0].path
    vm = bed.engine.cloud[vms][ask.vm_id]
    await bed.engine.decide(VmFound(vm_id=vm.id, version=vm.version, why="it died"), BY)
    sim.world.commit(Gone("guest", guest.host, guest.ident))


async def test_a_network_stays_while_a_guest_gets_a_card_on_it(bed: Bed) -> None:
    ask = deploy("web")
    await bed.engine.perform(ask, BY)
    await bed.engine.decide(network("second"), BY)
    step = next(one for one in SAGAS["nic.add:1"].steps if one.name == "plug")
    real, goes_on = step.do, asyncio.Event()

    async def held_up(run: Any) -> None:
        await goes_on.wait()
        await real(run)

    card = NicAsk(nic_id=named("card"), network_id=named("second"))
    remove = RemoveNetwork(network_id=named("second"))
    with patch.object(step, "do", held_up):
        job = await bed.engine.submit(AddNic(vm_id=ask.vm_id, nic=card), BY)
        with pytest.raises(InUse, match="virtual machine web"):
            await bed.engine.decide(remove, BY)
        goes_on.set()
        row = await bed.engine.runner.wait(job.id)
    assert row.state is RunState.SUCCEEDED, row.error_text
    with pytest.raises(InUse, match="virtual machine web"):
        await bed.engine.decide(remove, BY)
    await bed.engine.perform(RemoveNic(vm_id=ask.vm_id, nic_id=card.nic_id), BY)
    await bed.engine.decide(remove, BY)


def _step(saga: str, name: str) -> Any:
    return next(one for one in SAGAS[saga].steps if one.name == name)


async def test_a_template_of_a_snapshot_that_is_deleted_meanwhile_says_so(bed: Bed) -> None:
    await bed.engine.perform(deploy("web"), BY)
    root = deploy("web").disks[0].volume_id
    kept = CreateSnapshot(snapshot_id=named("kept"), volume_id=root, name="kept")
    await bed.engine.perform(kept, BY)
    step = _step("template.create:1", "export")
    real = step.do

    async def late(run: Any) -> Any:
        await bed.engine.perform(DeleteSnapshot(snapshot_id=kept.snapshot_id), BY)
        return await real(run)

    with patch.object(step, "do", late), pytest.raises(JobFailed, match="there is no snapshot"):
        await bed.engine.perform(CreateTemplate(describe=MADE, snapshot_id=kept.snapshot_id), BY)


async def test_a_template_that_is_deleted_while_it_is_brought_to_a_pool_says_so(bed: Bed) -> None:
    ask = deploy("web")
    await bed.engine.perform(ask, BY)
    await bed.engine.perform(StopVm(vm_id=ask.vm_id), BY)
    await bed.engine.perform(CreateTemplate(describe=MADE, volume_id=ask.disks[0].volume_id), BY)
    step = _step("template.prepare:1", "bring")
    real = step.do

    async def late(run: Any) -> Any:
        await bed.engine.perform(DeleteTemplate(template_id=MADE.template_id), BY)
        return await real(run)

    bring = PrepareTemplate(template_id=MADE.template_id, zone_id=ZONE, pool_ids=[POOL])
    with patch.object(step, "do", late), pytest.raises(JobFailed, match="there is no template"):
        await bed.engine.perform(bring, BY)


async def test_a_pool_is_not_in_maintenance_while_a_guest_is_made_in_it(bed: Bed) -> None:
    ask, step, released = deploy("web"), _step("vm.deploy:1", "create_disks"), asyncio.Event()
    real = step.do

    async def held(run: Any) -> Any:
        await released.wait()
        return await real(run)

    with patch.object(step, "do", held):
        deployed = await bed.engine.submit(ask, BY)
        pool_id = next(iter(bed.engine.cloud.view(Space).holds.values())).pool_id
        maintained = await bed.engine.submit(MaintainStoragePool(id=pool_id), BY)
        await until(lambda: _tried(bed, maintained.id))
        assert bed.engine.cloud[storage_pools][pool_id].state is PoolState.PREPARING
        released.set()
        for job in (deployed, maintained):
            row = await bed.engine.runner.wait(job.id)
            assert row.state is RunState.SUCCEEDED, row.error_text
    assert bed.engine.cloud[vms][ask.vm_id].host_id is None
    await bed.engine.perform(ServeStoragePool(id=pool_id), BY)
    assert bed.engine.cloud[vms][ask.vm_id].host_id is not None, "it was stopped for it"


async def test_a_pool_whose_serving_is_cancelled_has_no_guests_and_is_in_maintenance(
    bed: Bed,
) -> None:
    """It serves again, or nothing runs from it."""
    ask = deploy("web")
    await bed.engine.perform(ask, BY)
    pool_id = bed.engine.cloud[volumes][ask.disks[0].volume_id].pool_id
    assert pool_id is not None
    await bed.engine.perform(MaintainStoragePool(id=pool_id), BY)
    step = _step("storage_pool.serve:1", "start_guests")
    real = step.do

    async def late(run: Any) -> Any:
        await real(run)
        with suppress(NotAllowed):
            await bed.engine.decide(CancelJob(job_id=run.id), BY)
            await asyncio.sleep(30)

    with patch.object(step, "do", late):
        job = await bed.engine.submit(ServeStoragePool(id=pool_id), BY)
        await bed.engine.runner.wait(job.id)
    pool, vm = bed.engine.cloud[storage_pools][pool_id], bed.engine.cloud[vms][ask.vm_id]
    assert (pool.state, vm.host_id is None) != (PoolState.MAINTENANCE, False)


async def test_a_download_that_cannot_be_made_leaves_no_token(bed: Bed, sim: SimDriver) -> None:
    ask, token = deploy("web"), await bed.vault.put("token")
    await bed.engine.perform(ask, BY)
    await bed.engine.perform(StopVm(vm_id=ask.vm_id), BY)
    link = OpenDownload(
        link_id=named("link"), kind="volume", thing_id=ask.disks[0].volume_id,
        account_id=ADMIN_ACCOUNT, domain_id=ROOT_DOMAIN, token_ref=str(token), zone_id=ZONE,
        expires_at_ms=2_000_000_000_000,
    )  # fmt: skip
    sim.faults.fail("export_disk", Fault.REFUSED)
    with pytest.raises(JobFailed):
        await bed.engine.perform(link, BY)
    with pytest.raises(KeyError):
        await bed.vault.get(token)


def _tried(bed: Bed, job_id: Any) -> bool:
    row = bed.engine.cloud[saga_runs][job_id]
    return row.state is not RunState.RUNNING or bool(row.attempts)


@pytest.mark.parametrize("answers", [True, False])
async def test_a_host_that_is_removed_while_it_is_connected_anew_stays_removed(
    bed: Bed, answers: bool
) -> None:
    step, host_id = _step("host.reconnect:1", "connect"), named("host2")
    real = step.do

    async def late(run: Any) -> Any:
        found = await real(run) if answers else None
        await bed.engine.perform(RemoveHost(id=host_id), BY)
        return found if answers else await real(run)

    with patch.object(step, "do", late):
        job = await bed.engine.submit(ReconnectHost(id=host_id), BY)
        row = await bed.engine.runner.wait(job.id)
    assert row.state is RunState.FAILED, row.error_text
    assert host_id not in bed.engine.cloud[hosts]


async def test_a_rule_to_a_guest_that_is_let_go_of_meanwhile_goes_with_it(bed: Bed) -> None:
    ask = deploy("web")
    await bed.engine.perform(ask, BY)
    with patch.object(step := _step("vm.unmanage:1", "let_guest_go"), "do", _ruled(bed, step)):
        await bed.engine.perform(UnmanageVm(vm_id=ask.vm_id), BY)
    assert not list(bed.engine.cloud[port_forwarding_rules])


async def test_a_card_stays_as_a_rule_is_made_to_it_while_it_is_removed(
    bed: Bed, sim: SimDriver
) -> None:
    ask = deploy("web", network_id=named("second"))
    await bed.engine.decide(network("second"), BY)
    await bed.engine.perform(ask, BY)
    card = NicAsk(nic_id=named("card"), network_id=NETWORK)
    await bed.engine.perform(AddNic(vm_id=ask.vm_id, nic=card), BY)
    with (
        patch.object(step := _step("nic.remove:1", "pull"), "do", _ruled(bed, step)),
        pytest.raises(JobFailed, match="remove that first"),
    ):
        await bed.engine.perform(RemoveNic(vm_id=ask.vm_id, nic_id=card.nic_id), BY)
    (guest,) = sim.world.residue().guests
    assert len(guest.nics) == len(bed.engine.cloud[vms][ask.vm_id].nics) == 2


def _ruled(bed: Bed, step: Any) -> Any:
    """The step, behind which somebody makes a rule to the guest's card on the network."""
    real = step.do

    async def do(run: Any) -> Any:
        done = await real(run)
        owner = {"account_id": ADMIN_ACCOUNT, "domain_id": ROOT_DOMAIN}
        address = AllocateAddress(id=named("address"), zone_id=ZONE, network_id=NETWORK, **owner)
        await bed.engine.decide(address, BY)
        await bed.engine.decide(_rule(run.intent.vm_id), BY)
        return done

    return do


def _rule(vm_id: Any) -> CreateIpRule:
    """Forward a port of the address to the guest."""
    fields = {
        "ip_address_id": named("address"), "network_id": NETWORK, "vm_id": vm_id, "vm_ip": "",
        "protocol": "tcp", "start_port": 22, "end_port": 22, "private_start_port": 22,
        "private_end_port": 22, "cidrs": [],
    }  # fmt: skip
    return CreateIpRule(kind="port_forwarding_rule", id=named("rule"), fields=fields)
