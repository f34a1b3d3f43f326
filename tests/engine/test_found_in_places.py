"""What seeds have found since the simulation has a Basic zone, shared networks, and pools of every
scope, each told alone: two that ask at one moment, and guests that could not be where they are."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from aggregates.errors import AlreadyExists, Busy, DomainError, InUse, Invalid, NotAllowed
from aggregates.vm import VmState
from benchmarks.cloud import BY, GIB, WIRE, ZONE, Bed, deploy, named
from drivers.sim import SimDriver
from engine.engine import JobFailed
from engine.genesis import ADMIN_ACCOUNT, BUILTIN_TEMPLATE, ROOT_DOMAIN
from engine.intents.dedication import Dedicate
from engine.intents.domain import DeleteDomain
from engine.intents.host import RemoveHost
from engine.intents.network import CreateNetwork
from engine.intents.nic import ChangeNicIp
from engine.intents.physical_network import UpdatePhysicalNetwork
from engine.intents.pod import CreatePod
from engine.intents.project import AddMember, CreateProject, Invite
from engine.intents.record import CreateRecord
from engine.intents.storage_pool import UpdateStoragePool
from engine.intents.vlan_ip_range import CreateVlanIpRange
from engine.intents.vm import CreateVm, DeployVm, MigrateVm, NicAsk, StartVm, StopVm
from engine.intents.vm_life import AssignVm, MigrateVmWithVolumes, RestoreVm
from engine.intents.volume import AttachVolume, CreateVolume, DetachVolume, MigrateVolume
from engine.intents.zone import CreateZone
from projections.addresses import address_spaces
from projections.capacity import Capacity
from projections.network import networks
from projections.vm import vms
from projections.volume import volumes
from tests.engine.judged import sim, wide
from tests.sim.place import BASIC, CLUSTER_3, CLUSTER_5, SHARED, ZONE_3, pool_at

__all__ = ["sim", "wide"]

ADMIN: dict[str, Any] = {"account_id": ADMIN_ACCOUNT, "domain_id": ROOT_DOMAIN}
TENANT: dict[str, Any] = {"account_id": named("tenant 0"), "domain_id": ROOT_DOMAIN}
NEVER_MS = 10**15


async def refused_of_two(bed: Bed, *asks: object) -> DomainError:
    """Two ask at one moment: one of them has it, and the other is told why not."""
    answers = await asyncio.gather(
        *(bed.engine.decide(ask, BY) for ask in asks), return_exceptions=True
    )
    refused = [one for one in answers if isinstance(one, BaseException)]
    assert len(refused) == 1, f"both were decided, or neither: {answers}"
    assert isinstance(refused[0], DomainError)
    return refused[0]


def shared(name: str, front: str, *, vlan: int | None = None) -> CreateNetwork:
    return CreateNetwork(
        network_id=named(name), zone_id=ZONE, offering_id=SHARED, name=name, display_text=name,
        gateway=f"{front}.1", netmask="255.255.255.0", start_ip=f"{front}.10",
        end_ip=f"{front}.17", vlan=vlan, acl_type="Domain", **ADMIN,
    )  # fmt: skip


def more(name: str, network: str, front: str, first: int, last: int) -> CreateVlanIpRange:
    fields = {
        "zone_id": ZONE, "network_id": named(network), "for_virtual_network": False,
        "gateway": f"{front}.1", "netmask": "255.255.255.0", "start_ip": f"{front}.{first}",
        "end_ip": f"{front}.{last}",
    }  # fmt: skip
    return CreateVlanIpRange(id=named(name), fields=fields)


# ---- at one moment ---------------------------------------------------------------------------


async def test_two_ranges_at_one_moment_give_no_address_twice(wide: Bed) -> None:
    await wide.engine.decide(shared("lan", "10.6.0"), BY)
    one, other = more("one", "lan", "10.6.0", 30, 40), more("other", "lan", "10.6.0", 35, 45)
    assert isinstance(await refused_of_two(wide, one, other), Invalid)
    public = {"zone_id": ZONE, "gateway": "192.0.2.1", "netmask": "255.255.255.0"}
    ends = ({"start_ip": "192.0.2.100"}, {"start_ip": "192.0.2.105"})
    asks = [
        CreateVlanIpRange(id=named(f"public {n}"), fields=public | end | {"end_ip": "192.0.2.119"})
        for n, end in enumerate(ends)
    ]
    assert isinstance(await refused_of_two(wide, *asks), Invalid)


async def test_two_networks_at_one_moment_get_no_vlan_twice(wide: Bed) -> None:
    """Nor one after the other, where the wires have no ranges."""
    asks = shared("lan", "10.6.0", vlan=1500), shared("other", "10.7.0", vlan=1500)
    assert isinstance(await refused_of_two(wide, *asks), AlreadyExists)
    bare = UpdatePhysicalNetwork(id=named("wire 2"), seed=named("bare"), fields={"vlans": ""})
    await wide.engine.decide(bare, BY)
    for name, front in (("far", "10.6.0"), ("farther", "10.7.0")):
        ask = replace(shared(name, front, vlan=7), zone_id=named("zone 2"))
        if name == "far":
            await wide.engine.decide(ask, BY)
            continue
        with pytest.raises(AlreadyExists, match="VLAN 7 is that of network far"):
            await wide.engine.decide(ask, BY)


async def test_two_pods_at_one_moment_have_no_subnet_twice(wide: Bed) -> None:
    fields = {
        "zone_id": ZONE, "gateway": "192.168.7.1", "netmask": "255.255.255.0",
        "start_ip": "192.168.7.10", "end_ip": "192.168.7.20",
    }  # fmt: skip
    asks = [
        CreatePod(
            id=named(name), space_id=named(f"space of {name}"), fields=fields | {"name": name}
        )
        for name in ("a", "b")
    ]
    assert isinstance(await refused_of_two(wide, *asks), Invalid)


async def test_two_zones_at_one_moment_have_mac_addresses_of_their_own(wide: Bed) -> None:
    fields = {"network_type": "Advanced", "dns1": "192.0.2.1", "internal_dns1": "192.0.2.1"}
    asks = [
        CreateZone(
            id=named(name), mac_space_id=named(f"macs {name}"), fields=fields | {"name": name}
        )
        for name in ("a", "b")
    ]
    await asyncio.gather(*(wide.engine.decide(ask, BY) for ask in asks))
    slices = [one.first for one in wide.engine.cloud[address_spaces].by("purpose", "mac")]
    assert len(slices) == len(set(slices)) == 5


async def test_somebody_is_invited_once_at_one_moment(wide: Bed) -> None:
    project = CreateProject(
        project_id=named("project"), project_account_id=named("its account"),
        member_id=named("its owner"), name="p", display_text="p", domain_id=ROOT_DOMAIN,
        owner_id=named("tenant 1"),
    )  # fmt: skip
    await wide.engine.decide(project, BY)
    asks = [
        Invite(id=named(name), project_id=named("project"), expires_at_ms=NEVER_MS, **TENANT)
        for name in ("a", "b")
    ]
    assert isinstance(await refused_of_two(wide, *asks), AlreadyExists)


async def test_wires_do_not_give_out_a_vlan_that_a_network_has_already(wide: Bed) -> None:
    """It was none of theirs when the network was made, so no ledger knows of it."""
    await wide.engine.decide(shared("lan", "10.6.0", vlan=1500), BY)
    wires = UpdatePhysicalNetwork(id=WIRE, seed=named("more"), fields={"vlans": "100-999,1500"})
    with pytest.raises(InUse, match="VLAN 1500 is that of network lan: leave it out"):
        await wide.engine.decide(wires, BY)


async def test_a_host_is_not_kept_from_a_guest_that_is_just_starting_on_it(wide: Bed) -> None:
    ask = replace(deploy("coming"), host_id=named("host1"))
    job = await wide.engine.submit(ask, BY)
    while wide.engine.cloud[vms][ask.vm_id].state is VmState.STARTING:
        keep = Dedicate(id=named("kept"), place="host_id", place_id=named("host1"), **TENANT)
        if list(wide.engine.cloud.view(Capacity).holds_of_vm(ask.vm_id)):
            break
        await asyncio.sleep(0)
    with pytest.raises(InUse, match="is about to run, virtual machine coming"):
        await wide.engine.decide(keep, BY)
    await wide.engine.runner.wait(job.id)


# ---- who has networks that others are on ------------------------------------------------------


async def domain(bed: Bed) -> None:
    fields = {"name": "d", "path": "/d", "parent_id": ROOT_DOMAIN, "level": 1}
    ask = CreateRecord(kind="domain", id=named("domain"), fields=fields)
    await bed.engine.decide(ask, BY)
    serves = replace(shared("lan", "10.6.0"), domain_id=named("domain"))
    await bed.engine.decide(serves, BY)


async def test_a_domain_ends_with_the_network_that_an_operator_made_for_it(wide: Bed) -> None:
    await domain(wide)
    with pytest.raises(InUse, match=r"network lan serves domain /d.*cleanup=true"):
        ask = DeleteDomain(domain_id=named("domain"), cleanup=False)
        await wide.engine.submit(ask, BY)
    await wide.engine.perform(DeleteDomain(domain_id=named("domain"), cleanup=True), BY)
    assert named("lan") not in wide.engine.cloud[networks]


async def test_the_account_of_a_project_is_no_member_of_any(wide: Bed) -> None:
    """As an owner of its own project it was waited for by the job that it waited for."""
    project = CreateProject(
        project_id=named("project"), project_account_id=named("its account"),
        member_id=named("its owner"), name="p", display_text="p", domain_id=ROOT_DOMAIN,
        owner_id=named("tenant 1"),
    )  # fmt: skip
    await wide.engine.decide(project, BY)
    add = AddMember(
        member_id=named("member"), project_id=named("project"), account_id=named("its account"),
        role="Admin",
    )  # fmt: skip
    with pytest.raises(Invalid, match="is a project's own"):
        await wide.engine.decide(add, BY)


# ---- within reach ----------------------------------------------------------------------------


async def own_pool(bed: Bed, name: str) -> None:
    ask = pool_at(bed.engine.cloud, name, named(name))
    assert ask is not None
    await bed.engine.perform(ask, BY)


async def in_own_pool(bed: Bed, name: str) -> DeployVm:
    """A guest of the first zone with a disk that its host alone reaches."""
    await own_pool(bed, "own0")
    ask = replace(deploy(name), host_id=named("host0"))
    await bed.engine.perform(ask, BY)
    (root,) = bed.engine.cloud[volumes].by("vm_id", ask.vm_id)
    if root.pool_id != named("own0"):
        there = MigrateVolume(volume_id=root.id, pool_id=named("own0"), live=True)
        await bed.engine.perform(there, BY)
    return ask


async def loose(bed: Bed, name: str, pool: str, **where: UUID) -> None:
    """A volume of the administrator's that lies in this pool."""
    ask = replace(deploy(f"maker of {name}"), **where)
    await bed.engine.perform(ask, BY)
    made = CreateVolume(volume_id=named(name), zone_id=ZONE, name=name, size_bytes=GIB, **ADMIN)
    attach = AttachVolume(volume_id=made.volume_id, vm_id=ask.vm_id, create=made)
    await bed.engine.perform(attach, BY)
    await bed.engine.perform(DetachVolume(volume_id=made.volume_id), BY)
    if bed.engine.cloud[volumes][made.volume_id].pool_id != named(pool):
        move = MigrateVolume(volume_id=made.volume_id, pool_id=named(pool))
        await bed.engine.perform(move, BY)


async def test_a_guest_with_a_disk_of_its_host_does_not_move_without_it(wide: Bed) -> None:
    ask = await in_own_pool(wide, "tied")
    with pytest.raises(
        NotAllowed, match=r"its host alone reaches.*migrateVirtualMachineWithVolume"
    ):
        await wide.engine.submit(MigrateVm(vm_id=ask.vm_id), BY)
    await wide.engine.perform(MigrateVmWithVolumes(vm_id=ask.vm_id, pools={}), BY)


async def test_a_guest_takes_no_volume_that_its_host_does_not_reach(wide: Bed) -> None:
    await loose(wide, "far", "pool6", cluster_id=CLUSTER_5)
    here = replace(deploy("here"), host_id=named("host0"))
    await wide.engine.perform(here, BY)
    attach = AttachVolume(volume_id=named("far"), vm_id=here.vm_id)
    with pytest.raises(NotAllowed, match="which host host0 does not reach"):
        await wide.engine.submit(attach, BY)
    await wide.engine.perform(StopVm(vm_id=here.vm_id), BY)
    with pytest.raises(NotAllowed, match="reaches both volume far in storage pool pool6"):
        await wide.engine.submit(attach, BY)


async def test_a_guest_does_not_start_without_a_disk_that_was_moved_away(wide: Bed) -> None:
    """Disks of a stopped guest are moved one by one, so that for a while no host reaches all."""
    ask = await in_own_pool(wide, "apart")
    await loose(wide, "data", "own0", host_id=named("host0"))
    await wide.engine.perform(AttachVolume(volume_id=named("data"), vm_id=ask.vm_id), BY)
    await wide.engine.perform(StopVm(vm_id=ask.vm_id), BY)
    for pool in ("pool7", "pool6"):
        if pool == "pool7":
            await own_pool(wide, pool)
        away = MigrateVolume(volume_id=named("data"), pool_id=named(pool))
        await wide.engine.perform(away, BY)
    with pytest.raises(JobFailed, match=r"reaches both .* in storage pool own0 and volume data"):
        await wide.engine.perform(StartVm(vm_id=ask.vm_id), BY)


async def test_a_fresh_root_disk_lies_where_the_other_disks_are_reached(wide: Bed) -> None:
    """Its old one lay where more hosts reach it, but the guest has another."""
    ask = await in_own_pool(wide, "restored")
    everywhere = pool_at(wide.engine.cloud, "pool7", named("pool7"))
    await wide.engine.perform(everywhere, BY)
    await loose(wide, "data", "own0", host_id=named("host0"))
    await wide.engine.perform(AttachVolume(volume_id=named("data"), vm_id=ask.vm_id), BY)
    await wide.engine.perform(StopVm(vm_id=ask.vm_id), BY)
    root = next(one for one in wide.engine.cloud[volumes].by("vm_id", ask.vm_id) if not one.device)
    await wide.engine.perform(MigrateVolume(volume_id=root.id, pool_id=named("pool7")), BY)
    for pool in ("pool", "pool2", "pool7", "own0"):
        shut = UpdateStoragePool(id=named(pool), enabled=False)
        await wide.engine.decide(shut, BY)
    fresh = RestoreVm(
        vm_id=ask.vm_id, volume_id=named("fresh"), template_id=BUILTIN_TEMPLATE, size_bytes=GIB
    )
    with pytest.raises(
        JobFailed, match="no pool has room"
    ):  # what is left is a pool of another cluster
        await wide.engine.perform(fresh, BY)


# ---- addresses -------------------------------------------------------------------------------


async def test_an_address_of_another_range_brings_its_gateway_along(wide: Bed) -> None:
    await wide.engine.decide(shared("lan", "10.6.0"), BY)
    await wide.engine.decide(more("beside", "lan", "10.7.0", 30, 40), BY)
    card = NicAsk(nic_id=named("card"), network_id=named("lan"))
    ask = replace(deploy("moving"), nics=[card])
    await wide.engine.perform(CreateVm(deploy=ask), BY)
    change = ChangeNicIp(
        vm_id=ask.vm_id, nic_id=named("card"), ip_id=named("other"), ip4="10.7.0.33"
    )
    await wide.engine.decide(change, BY)
    (nic,) = wide.engine.cloud[vms][ask.vm_id].nics
    assert (nic.ip4, nic.gateway) == ("10.7.0.33", "10.7.0.1")


async def test_a_guest_that_changes_hands_gets_an_address_of_the_pod_of_its_disks(
    wide: Bed,
) -> None:
    card = NicAsk(nic_id=named("card"), network_id=BASIC)
    ask = replace(deploy("given"), zone_id=ZONE_3, nics=[card], cluster_id=CLUSTER_3)
    await wide.engine.perform(ask, BY)
    (root,) = wide.engine.cloud[volumes].by("vm_id", ask.vm_id)
    assert root.pool_id in (named("pool5"), named("own7"), named("pool4"))
    if root.pool_id == named("pool4"):
        move = MigrateVolume(volume_id=root.id, pool_id=named("pool5"), live=True)
        await wide.engine.perform(move, BY)
    await wide.engine.perform(StopVm(vm_id=ask.vm_id), BY)
    gives = AssignVm(
        vm_id=ask.vm_id, nics=[NicAsk(nic_id=named("new"), network_id=BASIC)], **TENANT
    )
    await wide.engine.decide(gives, BY)
    await wide.engine.perform(StartVm(vm_id=ask.vm_id), BY)


# ---- hosts with storage of their own ---------------------------------------------------------


async def test_no_guest_is_stopped_for_a_host_whose_own_storage_keeps_it(wide: Bed) -> None:
    """It was refused when all of its guests had been stopped."""
    ask = await in_own_pool(wide, "kept")
    with pytest.raises(InUse, match="lies in pool own0: remove or move it first"):
        await wide.engine.submit(RemoveHost(id=named("host0"), forced=True), BY)
    assert wide.engine.cloud[vms][ask.vm_id].state is VmState.RUNNING


async def test_a_host_does_not_take_a_pool_of_its_own_away_from_a_job(
    wide: Bed, sim: SimDriver
) -> None:
    await own_pool(wide, "own0")
    sim.faults.slow("open_pool", 0.2)
    job = await wide.engine.submit(pool_at(wide.engine.cloud, "own1", named("own1")), BY)
    with pytest.raises(Busy, match="storage pool own1"):
        await wide.engine.submit(RemoveHost(id=named("host1"), forced=True), BY)
    await wide.engine.runner.wait(job.id)
