"""What seeds of the simulation that like one theme have found, each told alone: who may, who pays,
who is told, and what lies in more than one zone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from msgspec.structs import replace

from aggregates.errors import InUse, NotFound
from aggregates.vm import VmState
from benchmarks.cloud import BY, GIB, ZONE, Bed, deploy, named
from drivers.contract.compute import Power
from drivers.sim import Fault, SimDriver
from engine.chores.download_link import give_up_old_uploads
from engine.chores.snapshot import take_due_snapshots
from engine.chores.vm import restart_fallen_guests
from engine.clock import SystemClock
from engine.genesis import ADMIN_ACCOUNT, ROOT_DOMAIN
from engine.image_places import on_disk
from engine.images import partial_of
from engine.intents.account import DeleteAccount
from engine.intents.adopt import UnmanageVm
from engine.intents.iso import AttachIso, DeleteIso, DetachIso, RegisterIso
from engine.intents.network import CreateNetwork
from engine.intents.offering import DeleteOffering
from engine.intents.physical_network import CreatePhysicalNetwork, RemovePhysicalNetwork
from engine.intents.pod import CreatePod
from engine.intents.project import (
    AnswerInvitation,
    CreateProject,
    DeleteProjectRole,
    Invite,
)
from engine.intents.record import CreateRecord, RemoveRecord
from engine.intents.security_group import AuthorizeTraffic
from engine.intents.snapshot import SetSnapshotPolicy
from engine.intents.upload import AwaitUpload, TakeUpload
from engine.intents.user import MoveUser
from engine.intents.vm import DestroyVm, ExpungeVm, VmFound
from engine.intents.volume import AttachVolume, CreateVolume, Offering, ResizeVolume
from engine.intents.volume_upload import UploadVolume
from engine.intents.zone import CreateZone, RemoveZone
from engine.reconcilers.sweep import Sweeper
from projections.disk_offering import disk_offerings
from projections.ipv6 import guest_ipv6_prefixes
from projections.network import networks
from projections.network_offering import network_offerings
from projections.physical_network import physical_networks
from projections.project_invitation import project_invitations
from projections.saga import saga_runs
from projections.security_group import security_group_rules, security_groups
from projections.snapshot_policy import snapshot_policies
from projections.upload import uploads
from projections.vm import vms
from projections.volume import volumes
from tests.engine.acting import until
from tests.engine.judged import bed, sim
from tests.sim import images

__all__ = ["bed", "sim"]

ONE, OTHER, THIRD = (
    {"account_id": named(f"tenant {number}"), "domain_id": ROOT_DOMAIN} for number in range(3)
)
NEVER_MS = 10**15


async def make(bed: Bed, kind: str, called: str, **fields: Any) -> None:
    ask = CreateRecord(kind=kind, id=named(called), fields=fields)
    await bed.engine.decide(ask, BY)


async def project(bed: Bed) -> None:
    ask = CreateProject(
        project_id=named("project"), project_account_id=named("its account"),
        member_id=named("its owner"), name="p", display_text="p", domain_id=ROOT_DOMAIN,
        owner_id=ONE["account_id"],
    )  # fmt: skip
    await bed.engine.decide(ask, BY)


async def test_an_account_ends_whose_security_group_others_let_in(bed: Bed) -> None:
    """Their rules go: there are no guests any more that they would let in."""
    await make(bed, "security_group", "mine", name="mine", **ONE)
    await make(bed, "security_group", "theirs", name="theirs", **OTHER)
    fields = {"protocol": "tcp", "start_port": 22, "end_port": 22, "is_egress": False}
    lets = AuthorizeTraffic(
        security_group_id=named("theirs"), batch=named("batch"), fields=fields,
        cidrs=["10.0.0.0/8"], peer_group_ids=[named("mine")],
    )  # fmt: skip
    await bed.engine.decide(lets, BY)
    await bed.engine.perform(DeleteAccount(account_id=ONE["account_id"]), BY)
    assert named("theirs") in bed.engine.cloud[security_groups]
    (left,) = bed.engine.cloud[security_group_rules]
    assert left.cidr == "10.0.0.0/8"


async def test_nobody_joins_a_project_by_a_role_that_is_gone(bed: Bed) -> None:
    """The role would have narrowed what they may."""
    await project(bed)
    role = {"project_id": named("project"), "project_account_id": named("its account")}
    await make(bed, "project_role", "role", name="reader", domain_id=ROOT_DOMAIN, **role)
    invites = Invite(
        id=named("invitation"), project_id=named("project"), project_role_id=named("role"),
        expires_at_ms=NEVER_MS, **OTHER,
    )  # fmt: skip
    await bed.engine.decide(invites, BY)
    await bed.engine.decide(DeleteProjectRole(role_id=named("role")), BY)
    accepts = AnswerInvitation(
        id=named("invitation"), member_id=named("member"), accept=True, now_ms=0
    )
    with pytest.raises(NotFound, match="project invitation"):
        await bed.engine.decide(accepts, BY)


async def test_a_user_that_moves_is_invited_no_more_for_the_account_that_it_left(bed: Bed) -> None:
    await project(bed)
    await make(bed, "user", "user", name="u", password_ref=str(named("password")), **OTHER)
    invites = Invite(
        id=named("invitation"), project_id=named("project"), user_id=named("user"),
        expires_at_ms=NEVER_MS, **OTHER,
    )  # fmt: skip
    await bed.engine.decide(invites, BY)
    await bed.engine.decide(MoveUser(user_id=named("user"), account_id=THIRD["account_id"]), BY)
    assert named("invitation") not in bed.engine.cloud[project_invitations]


# ---- offerings -------------------------------------------------------------------------------


async def test_a_disk_offering_stays_for_the_volumes_that_are_of_it(bed: Bed) -> None:
    await make(bed, "disk_offering", "fast", name="fast", size_bytes=GIB)
    disk = CreateVolume(
        volume_id=named("disk"), zone_id=ZONE, name="disk", size_bytes=GIB,
        offering_id=named("fast"), **ONE,
    )  # fmt: skip
    await bed.engine.decide(disk, BY)
    await bed.engine.decide(DeleteOffering(kind="disk_offering", id=named("fast")), BY)
    assert bed.engine.cloud[disk_offerings][named("fast")].state == "Inactive"


async def test_a_volume_is_not_given_an_offering_that_was_deleted_while_it_grew(bed: Bed) -> None:
    for name in ("slow", "fast"):
        await make(bed, "disk_offering", name, name=name)
    disk = CreateVolume(
        volume_id=named("disk"), zone_id=ZONE, name="disk", size_bytes=GIB,
        offering_id=named("slow"), **ONE,
    )  # fmt: skip
    await bed.engine.decide(disk, BY)
    grows = ResizeVolume(
        volume_id=disk.volume_id, size_bytes=2 * GIB, offering=Offering(offering_id=named("fast"))
    )
    job = await bed.engine.submit(grows, BY)
    await bed.engine.decide(DeleteOffering(kind="disk_offering", id=named("fast")), BY)
    await bed.engine.runner.wait(job.id)
    volume = bed.engine.cloud[volumes][disk.volume_id]
    assert (volume.size_bytes, volume.offering_id) == (2 * GIB, named("slow"))


async def fallen(bed: Bed, sim: SimDriver) -> UUID:
    """A guest that shall always run, and has crashed: what is left of it is on its host."""
    size = {"cpu_count": 1, "cpu_mhz": 500, "memory_mib": 512}
    await make(bed, "service_offering", "ha", name="ha", offer_ha=True, **size)
    ask = replace(deploy("web"), service_offering_id=named("ha"))
    await bed.engine.perform(ask, BY)
    sim.world.kill_guest(ask.vm_id, power=Power.CRASHED)
    return ask.vm_id


async def test_a_guest_is_started_again_as_soon_as_it_is_swept_from_its_host(
    bed: Bed, sim: SimDriver
) -> None:
    """The sweep is no try to start it: it need not wait for the next one."""
    vm_id, cloud = await fallen(bed, sim), bed.engine.cloud
    sweeper = Sweeper(bed.engine, bed.hosts, SystemClock(), every_s=60)
    await sweeper.sweep()
    await sweeper.sweep()
    await until(lambda: cloud[vms][vm_id].state == VmState.STOPPED and not cloud[vms][vm_id].job_id)
    await restart_fallen_guests(bed.engine, SystemClock().now_ms())
    await until(lambda: cloud[vms][vm_id].state == VmState.RUNNING)


async def test_a_guest_that_does_not_start_again_is_tried_later_though_the_clock_stands_still(
    bed: Bed, sim: SimDriver
) -> None:
    """The log's clock stands still while the machine's was set back."""
    vm_id, cloud = await fallen(bed, sim), bed.engine.cloud
    now_ms = cloud.at_ms
    sim.faults.fail("start_guest", Fault.REFUSED, times=9)
    with patch.object(bed.log, "_now_ms", lambda: 0):
        found = VmFound(vm_id=vm_id, version=cloud[vms][vm_id].version, why="found crashed")
        await bed.engine.decide(found, BY)
        for _ in range(2):
            await restart_fallen_guests(bed.engine, now_ms)
            await until(lambda: all(row.state.is_over for row in cloud[saga_runs]))
    tries = [row for row in cloud[saga_runs] if row.name == "vm.start:1"]
    assert len(tries) == 1


# ---- images from outside ---------------------------------------------------------------------


@pytest.mark.parametrize("way", ["destroyed", "expunged", "let go of"])
async def test_the_image_that_a_volume_came_from_goes_with_it(
    bed: Bed, tmp_path: Path, way: str
) -> None:
    """Also before the chore came round that drops images of volumes that have disks."""
    guest, disk = deploy("web"), named("sent")
    await bed.engine.perform(guest, BY)
    comes = UploadVolume(
        volume_id=disk, account_id=ADMIN_ACCOUNT, domain_id=ROOT_DOMAIN, zone_id=ZONE, name="sent",
        image_format="RAW", url=f"file://{tmp_path}/outside.raw", trusted=True,
    )  # fmt: skip
    with patch("engine.images._ask_qemu", images.ask_nobody):
        await bed.engine.perform(comes, BY)
    await bed.engine.perform(AttachVolume(volume_id=disk, vm_id=guest.vm_id), BY)
    ends = {
        "destroyed": DestroyVm(vm_id=guest.vm_id, volume_ids=[disk]),
        "expunged": ExpungeVm(vm_id=guest.vm_id, volume_ids=[disk]),
        "let go of": UnmanageVm(vm_id=guest.vm_id),
    }
    images.hold(bed.engine.cloud, tmp_path)
    await bed.engine.perform(ends[way], BY)
    images.hold(bed.engine.cloud, tmp_path)


async def test_one_upload_that_cannot_be_given_up_yet_keeps_no_other(
    bed: Bed, tmp_path: Path
) -> None:
    """A file that is being looked at when its time is over is waited for, by nobody else."""
    for name in ("one", "other"):
        disk = UploadVolume(
            volume_id=named(name), zone_id=ZONE, name=name, image_format="RAW", **ONE
        )
        awaits = AwaitUpload(
            upload_id=named(f"upload of {name}"), signature_sha256="", expires_at_ms=1,
            bytes_max=1 << 20, ask=disk,
        )  # fmt: skip
        await bed.engine.decide(awaits, BY)
    first, second = bed.engine.cloud[uploads]
    partial = partial_of(on_disk(tmp_path, first.path))
    partial.parent.mkdir(parents=True, exist_ok=True)
    partial.write_bytes(images.DISK)
    looks = asyncio.Event()

    async def slowly(path: Path, expected: str) -> tuple[str, int]:
        await looks.wait()
        return await images.ask_nobody(path, expected)

    with patch("engine.images._ask_qemu", slowly):
        job = await bed.engine.submit(TakeUpload(upload_id=first.id), BY)
        await give_up_old_uploads(bed.engine, 2)
        assert second.id not in bed.engine.cloud[uploads]
        looks.set()
        await bed.engine.runner.wait(job.id)


async def test_a_policy_that_is_gone_keeps_no_other_from_its_snapshot(bed: Bed) -> None:
    for guest in (deploy("web"), deploy("db")):
        await bed.engine.perform(guest, BY)
        often = SetSnapshotPolicy(
            id=named(f"policy of {guest.name}"), volume_id=guest.disks[0].volume_id,
            interval="HOURLY", schedule="0", timezone="UTC", max_snapshots=2, now_ms=0,
        )  # fmt: skip
        await bed.engine.decide(often, BY)
    now_ms = bed.engine.cloud.at_ms + 7_200_000
    policies = bed.engine.cloud[snapshot_policies]
    first, second = list(policies)
    await asyncio.gather(
        bed.engine.decide(RemoveRecord(kind="snapshot_policy", id=first.id), BY),
        take_due_snapshots(bed.engine, now_ms),
    )
    await until(lambda: all(row.state.is_over for row in bed.engine.cloud[saga_runs]))
    assert policies[second.id].taken_at_ms > 0


# ---- zones -----------------------------------------------------------------------------------

FAR = named("far zone")


async def far_zone(bed: Bed) -> None:
    fields = {"name": "far", "network_type": "Advanced", "dns1": "192.0.2.1"}
    fields |= {"internal_dns1": "192.0.2.1", "allocation_state": "Enabled"}
    await bed.engine.decide(CreateZone(id=FAR, mac_space_id=named("far macs"), fields=fields), BY)


def disc(home: Path) -> RegisterIso:
    return RegisterIso(
        template_id=named("far disc"), account_id=ADMIN_ACCOUNT, domain_id=ROOT_DOMAIN,
        name="far disc", display_text="far disc", url=f"file://{home}/outside.iso",
        hypervisor="None", image_format="ISO", trusted=True, zone_ids=[FAR],
    )  # fmt: skip


async def test_a_zone_stays_while_an_image_lies_in_it(bed: Bed, tmp_path: Path) -> None:
    await far_zone(bed)
    await bed.engine.perform(disc(tmp_path), BY)
    with pytest.raises(InUse, match="iso far disc"):
        await bed.engine.decide(RemoveZone(id=FAR), BY)
    await bed.engine.perform(DeleteIso(template_id=named("far disc"), zone_id=FAR), BY)
    await bed.engine.decide(RemoveZone(id=FAR), BY)


@pytest.mark.parametrize("first", ["begins", "ends"])
@pytest.mark.parametrize("what", ["disc", "volume", "volume from outside", "upload"])
async def test_nothing_begins_in_a_zone_that_is_removed_at_that_moment(
    bed: Bed, tmp_path: Path, what: str, first: str
) -> None:
    await far_zone(bed)
    fields: dict[str, Any] = {"volume_id": named("far volume"), "zone_id": FAR, "name": "v", **ONE}
    sent = UploadVolume(image_format="RAW", url=f"file://{tmp_path}/no.raw", trusted=True, **fields)
    awaits = AwaitUpload(
        upload_id=named("upload"), signature_sha256="", expires_at_ms=NEVER_MS, bytes_max=1 << 20,
        ask=sent,
    )  # fmt: skip
    begins = {
        "disc": bed.engine.submit(disc(tmp_path), BY),
        "volume": bed.engine.decide(CreateVolume(size_bytes=GIB, **fields), BY),
        "volume from outside": bed.engine.submit(sent, BY),
        "upload": bed.engine.decide(awaits, BY),
    }
    mine = begins.pop(what)
    for other in begins.values():
        other.close()
    ends = bed.engine.decide(RemoveZone(id=FAR), BY)
    pair = (ends, mine) if first == "ends" else (mine, ends)
    both = await asyncio.gather(*pair, return_exceptions=True)
    wanted = NotFound if first == "ends" else InUse
    assert [type(one) for one in both if isinstance(one, Exception)] == [wanted]
    await until(lambda: all(row.state.is_over for row in bed.engine.cloud[saga_runs]))


async def test_no_volume_is_of_an_offering_that_is_removed_at_that_moment(bed: Bed) -> None:
    await make(bed, "disk_offering", "fast", name="fast", size_bytes=GIB)
    disk = CreateVolume(
        volume_id=named("disk"), zone_id=ZONE, name="disk", size_bytes=GIB,
        offering_id=named("fast"), **ONE,
    )  # fmt: skip
    ends = bed.engine.decide(DeleteOffering(kind="disk_offering", id=named("fast")), BY)
    both = await asyncio.gather(ends, bed.engine.decide(disk, BY), return_exceptions=True)
    assert [type(one) for one in both if isinstance(one, Exception)] == [NotFound]


async def test_a_guest_with_a_disc_in_its_drive_is_not_let_go_of(bed: Bed) -> None:
    """Nobody would know of the disc any more, nor take it out when the guest is taken over."""
    guest = deploy("web")
    await bed.engine.perform(guest, BY)
    await bed.engine.perform(AttachIso(vm_id=guest.vm_id, iso_id=named("disc")), BY)
    with pytest.raises(InUse, match="detach it first"):
        await bed.engine.perform(UnmanageVm(vm_id=guest.vm_id), BY)
    await bed.engine.perform(DetachIso(vm_id=guest.vm_id), BY)
    await bed.engine.perform(UnmanageVm(vm_id=guest.vm_id), BY)


async def test_who_may_not_remove_a_zone_is_told_of_something_that_can_be_removed(bed: Bed) -> None:
    await far_zone(bed)
    pod = {"zone_id": FAR, "name": "shed", "gateway": "192.0.2.1", "netmask": "255.255.255.0"}
    pod |= {"start_ip": "192.0.2.10", "end_ip": "192.0.2.20"}
    made = CreatePod(id=named("shed"), space_id=named("its addresses"), fields=pod)
    await bed.engine.decide(made, BY)
    with pytest.raises(InUse, match="in use by pod shed"):
        await bed.engine.decide(RemoveZone(id=FAR), BY)


@pytest.mark.parametrize("first", ["begins", "ends"])
@pytest.mark.parametrize("what", ["offering", "prefix", "wires"])
async def test_a_network_keeps_what_it_is_made_of(bed: Bed, what: str, first: str) -> None:
    """Its offering, its IPv6 prefix and its wires, which somebody removes at that moment."""
    await far_zone(bed)
    wires = {"zone_id": FAR, "name": "w", "vlans": "", "state": "Enabled"}
    made = CreatePhysicalNetwork(id=named("wires"), seed=named("parts"), fields=wires)
    await bed.engine.decide(made, BY)
    await make(bed, "guest_ipv6_prefix", "prefix", zone_id=FAR, prefix="fd17::/48")
    both_kinds = {"guest_ip_type": "Isolated", "internet_protocol": "DualStack"}
    await make(bed, "network_offering", "offering", name="six", state="Enabled", **both_kinds)
    begins = CreateNetwork(
        network_id=named("net"), zone_id=FAR, offering_id=named("offering"), name="n",
        display_text="n", **ONE,
    )  # fmt: skip
    ends = {
        "offering": DeleteOffering(kind="network_offering", id=named("offering")),
        "prefix": RemoveRecord(kind="guest_ipv6_prefix", id=named("prefix")),
        "wires": RemovePhysicalNetwork(id=named("wires")),
    }
    pair = (ends[what], begins) if first == "ends" else (begins, ends[what])
    await asyncio.gather(*(bed.engine.decide(one, BY) for one in pair), return_exceptions=True)
    cloud = bed.engine.cloud
    gone = {
        "offering": named("offering") not in cloud[network_offerings],
        "prefix": named("prefix") not in cloud[guest_ipv6_prefixes],
        "wires": named("wires") not in cloud[physical_networks],
    }
    network = cloud[networks].get(named("net"))
    uses = {"offering": True, "prefix": network and network.ip6_cidr, "wires": network and
            network.physical_network_id}  # fmt: skip
    assert not (gone[what] and network is not None and uses[what])
