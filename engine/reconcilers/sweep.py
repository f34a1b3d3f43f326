"""Looks at every host and pool now and then, and sees to what is not as the log says.

It takes no input but the log and the world, so it may run at any time, twice, or not at all. What
a listing shows may be older than a job that has begun since: nothing is done about a thing that
was not seen in two looks, and the decision looks at the row once more.

A guest that died is recorded as stopped, and one that has moved by itself as moved. What the log
once made and no longer has is removed.
What the log never made is reported and left to a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID, uuid4, uuid5

from msgspec.structs import replace

from aggregates.appliance import images_of_part
from aggregates.errors import DomainError
from aggregates.host import HostState
from aggregates.vm import VmState
from drivers.contract.compute import GuestStatus
from drivers.contract.driver import HostSession
from drivers.contract.errors import Unavailable, Unknown
from drivers.contract.storage import DiskStatus, PoolSpec, SnapshotStatus
from engine.clock import Clock
from engine.engine import Engine
from engine.intents.finding import (
    CloseFindings,
    OpenFinding,
    SweepDisk,
    SweepGuest,
    SweepSnapshot,
)
from engine.intents.host import HostLost, ReconnectHost
from engine.intents.storage_pool import MeasureStoragePool
from engine.intents.vm import VmFound, VmFoundElsewhere
from engine.reconcilers.guest import ALIVE, GONE, Desired, Seen, Verdict, compare
from engine.reconcilers.looks import BY, guests_of, log_, safely
from engine.saga import BY_INTENT
from engine.side_by_side import side_by_side
from engine.world import Hosts
from projections.finding import FindingKind, findings
from projections.host import Host, hosts
from projections.iso import isos
from projections.saga import RunState, saga_runs
from projections.snapshot import snapshots
from projections.storage_pool import PoolState, StoragePool, storage_pools
from projections.template import templates
from projections.vm import vms
from projections.volume import volumes

LISTING_S = 30.0
LOOK_S = 120.0
SIDE_BY_SIDE = 16
# What was said by a person, and what a chore looks after.
NOT_OURS = (FindingKind.SAID, FindingKind.TOO_FULL)


class Sweeper:
    """`every_s` apart; `sweep` does one round and can be called by itself."""

    def __init__(self, engine: Engine, hosts_: Hosts, clock: Clock, *, every_s: float) -> None:
        self._engine, self._hosts, self._clock, self._every_s = engine, hosts_, clock, every_s
        self._suspects: set[tuple[str, str, UUID]] = set()
        self._seen: set[tuple[str, str, UUID]] = set()
        self._in_use: set[str] = set()
        # Guests that are gone from their hosts, and where guests run that belong elsewhere: by the
        # look before this one, and so far by this one.
        self._left: set[UUID] = set()
        self._leaving: set[UUID] = set()
        self._strayed: dict[UUID, UUID] = {}
        self._straying: dict[UUID, UUID] = {}

    async def run(self) -> None:
        while True:
            await self._clock.sleep(self._every_s)
            await self.sweep()

    async def sweep(self) -> None:
        """Look at every host and then at every pool, some side by side.

        A disk that a guest without a place still uses can go only after that guest, so the hosts
        come first and say which those are.
        """
        self._suspects, self._seen, self._in_use = self._seen, set(), set()
        self._left, self._leaving = self._leaving, set()
        self._strayed, self._straying = self._straying, {}

        async def host(row: Host) -> None:
            if row.job_id is None and row.state is not HostState.CONNECTING:
                await safely(self._look_at_host(row), LOOK_S)

        async def pool(row: StoragePool) -> None:
            if row.state is PoolState.UP:
                await safely(self._look_at_pool(row), LOOK_S)

        cloud = self._engine.cloud
        await side_by_side(list(cloud[hosts]), host, most=SIDE_BY_SIDE)
        await side_by_side(list(cloud[storage_pools]), pool, most=SIDE_BY_SIDE)
        await safely(self._close_lost(), LOOK_S)

    # ---- hosts ---------------------------------------------------------------------------

    async def _look_at_host(self, host: Host) -> None:
        before = {vm.id: vm.version for vm in self._engine.cloud[vms].by("host_id", host.id)}
        try:
            listed = await guests_of(self._hosts, host, LISTING_S)
        except (Unavailable, Unknown) as error:
            if host.state is HostState.UP and self._twice("lost", "", host.id):
                await self._engine.decide(HostLost(id=host.id, why=str(error)), BY)
            return
        if host.state is HostState.DISCONNECTED:
            await self._reconnect(host)
            return
        desired = self._desired(host, before, listed)
        strange = [s.guest_id for s in listed if s.guest_id and s.guest_id not in desired]
        ours = frozenset([one for one in strange if await self._engine.ever(one, "vm")])
        at_home = {one for one, want in desired.items() if want.is_here}
        self._in_use.update(*(one.disks for one in listed if one.guest_id not in at_home))
        strangers = set()
        for seen in compare(desired, listed, ours):
            if seen.verdict is Verdict.STRANGER:
                strangers.add((str(FindingKind.STRANGER_GUEST), seen.name))
            await self._see_to(host, seen)
        await self._close(host.id, strangers)

    async def _reconnect(self, host: Host) -> None:
        """It answers again. One job at a time asks it who it is."""
        name = BY_INTENT[ReconnectHost].name
        runs = self._engine.cloud[saga_runs].by("subject_id", host.id)
        live = (RunState.RUNNING, RunState.UNDOING)
        if not any(row.name == name and row.state in live for row in runs):
            await self._engine.submit(ReconnectHost(id=host.id), BY)

    def _desired(
        self, host: Host, before: Mapping[UUID, int], listed: Iterable[GuestStatus]
    ) -> dict[UUID, Desired]:
        """What the log says of each guest that is there or should be.

        `before` are the guests that the log had there when the look began: one that has changed
        since is as good as busy.
        """
        known = self._engine.cloud[vms]
        ids = dict.fromkeys([*before, *(one.guest_id for one in listed)])
        return {
            vm.id: Desired(
                is_here=vm.host_id == host.id,
                is_busy=vm.job_id is not None or before.get(vm.id, vm.version) != vm.version,
                version=vm.version,
                is_ending=vm.state is VmState.EXPUNGING,
            )
            for vm in map(known.get, ids)
            if vm is not None
        }

    async def _see_to(self, host: Host, seen: Seen) -> None:
        subject = str(seen.guest_id or seen.name)
        if seen.guest_id is not None and seen.verdict is Verdict.DEAD and seen.power == GONE:
            self._leaving.add(seen.guest_id)
        if seen.guest_id is not None and seen.verdict is Verdict.ORPHAN and seen.power in ALIVE:
            self._straying[seen.guest_id] = host.id
        if not self._twice(f"{seen.verdict} {seen.version}", subject, host.id):
            return
        where = f"on host {host.name}"
        if seen.verdict is Verdict.STRANGER:
            text = (
                f"guest {seen.name} ({seen.power}) {where} was not made by this cloud: left alone"
            )
            await self._report(FindingKind.STRANGER_GUEST, host.id, seen.name, text)
            return
        assert seen.guest_id is not None
        vm = self._engine.cloud[vms].get(seen.guest_id)
        if vm is not None and vm.version != seen.version:
            return
        if seen.verdict is Verdict.ORPHAN and seen.guest_id in self._left and seen.power in ALIVE:
            return  # It has moved: the look at the host that it left sees to it.
        if seen.verdict is Verdict.DEAD and await self._has_moved(seen):
            return
        if seen.verdict is Verdict.DEAD:
            owner = None if vm is None else vm.account_id
            why = f"found {seen.power} {where}"
            found = VmFound(vm_id=seen.guest_id, version=seen.version, why=why)
            await self._engine.decide(found, replace(BY, account_id=owner))
            if seen.power == GONE:
                return
            # What is left of it holds its disks: it could be started on no other host.
        if not self._is_open(FindingKind.ORPHAN_GUEST, host.id, subject):
            text = f"guest {seen.name} ({seen.power}) {where} is not there by the log: removed"
            sweep = SweepGuest(finding_id=uuid4(), host_id=host.id, vm_id=seen.guest_id, text=text)
            await self._engine.submit(sweep, BY)

    async def _has_moved(self, seen: Seen) -> bool:
        """Whether a guest that is gone runs on another host, and may stay there."""
        assert seen.guest_id is not None
        host_id = (self._strayed | self._straying).get(seen.guest_id)
        if seen.power != GONE or host_id is None:
            return False
        vm = self._engine.cloud[vms].get(seen.guest_id)
        owner = None if vm is None else vm.account_id
        found = VmFoundElsewhere(vm_id=seen.guest_id, version=seen.version, host_id=host_id)
        try:
            await self._engine.decide(found, replace(BY, account_id=owner))
        except DomainError as no:
            log_.warning("guest %s moved by itself, and cannot stay: %s", seen.name, no)
            return False
        return True

    # ---- pools ---------------------------------------------------------------------------

    async def _look_at_pool(self, pool: StoragePool) -> None:
        known = {v.id: v.version for v in self._engine.cloud[volumes].by("pool_id", pool.id)}
        session, spec = await self._hosts.with_pool(pool.id)
        listed = await session.list_disks(spec)
        now_open: set[tuple[str, str]] = set()
        for disk in listed:
            if disk.volume_id not in known:
                await self._strange_disk(pool, disk, now_open)
        for kept in await session.list_snapshots(spec):
            await self._strange_snapshot(pool, kept, now_open)
        for image_id in await session.list_images(spec):
            await self._unwanted_image(pool, session, spec, image_id)
        used_bytes = (await session.pool_facts(spec)).used_bytes
        if pool.measure(used_bytes) is not None:
            await self._engine.decide(MeasureStoragePool(id=pool.id, used_bytes=used_bytes), BY)
        present = {disk.volume_id for disk in listed}
        for volume_id, version in known.items():
            if volume_id not in present:
                await self._missing_disk(pool, volume_id, version, now_open)
        await self._close(pool.id, now_open)

    async def _strange_disk(
        self, pool: StoragePool, disk: DiskStatus, now_open: set[tuple[str, str]]
    ) -> None:
        subject = str(disk.volume_id or disk.path)
        ours = disk.volume_id is not None and await self._engine.ever(disk.volume_id, "volume")
        if not ours:
            now_open.add((str(FindingKind.STRANGER_DISK), subject))
            if self._twice("stranger disk", subject, pool.id):
                text = (
                    f"disk {disk.path} in pool {pool.name} was not made by this cloud: left alone"
                )
                await self._report(FindingKind.STRANGER_DISK, pool.id, subject, text)
            return
        assert disk.volume_id is not None
        if disk.path in self._in_use or self._is_open(FindingKind.ORPHAN_DISK, pool.id, subject):
            return
        volume = self._engine.cloud[volumes].get(disk.volume_id)
        if volume is not None and (volume.job_id is not None or self._guest_is_busy(volume.vm_id)):
            return
        if self._twice("orphan disk", subject, pool.id):
            text = f"disk {disk.path} in pool {pool.name} has no volume by the log: removed"
            sweep = SweepDisk(
                finding_id=uuid4(), pool_id=pool.id, volume_id=disk.volume_id, text=text
            )
            await self._engine.submit(sweep, BY)

    async def _strange_snapshot(
        self, pool: StoragePool, kept: SnapshotStatus, now_open: set[tuple[str, str]]
    ) -> None:
        """What the log once made and has no more is removed; a stranger's file is reported."""
        row = self._engine.cloud[snapshots].get(kept.snapshot_id)
        if row is not None and row.pool_id == pool.id:
            return
        subject, where = str(kept.snapshot_id or kept.path), f"{kept.path} in pool {pool.name}"
        if kept.snapshot_id is None or not await self._engine.ever(kept.snapshot_id, "snapshot"):
            now_open.add((str(FindingKind.STRANGER_DISK), subject))
            if self._twice("stranger snapshot", subject, pool.id):
                text = f"snapshot {where} was not made by this cloud: left alone"
                await self._report(FindingKind.STRANGER_DISK, pool.id, subject, text)
            return
        known = self._is_open(FindingKind.ORPHAN_DISK, pool.id, subject)
        if not known and self._twice("orphan snapshot", subject, pool.id):
            text = f"snapshot {where} is not there by the log: removed"
            sweep = SweepSnapshot(
                finding_id=uuid4(), pool_id=pool.id, snapshot_id=kept.snapshot_id, text=text
            )
            await self._engine.submit(sweep, BY)

    async def _unwanted_image(
        self, pool: StoragePool, session: HostSession, spec: PoolSpec, image_id: UUID
    ) -> None:
        """What a pool keeps of a template or ISO that is gone goes when no disk rests on it.

        The log has nothing of such copies, as they can be brought again: no finding is opened.
        """
        cloud, ever = self._engine.cloud, self._engine.ever
        whole = images_of_part(image_id)
        found = [cloud[isos].get(image_id), *map(cloud[templates].get, whole)]
        if any(one is not None and one.copy_in(pool.zone_id) is not None for one in found):
            return
        ours = await ever(image_id, "iso")
        for one in whole:
            ours = ours or await ever(one, "template")
        if ours and self._twice("unwanted image", str(image_id), pool.id):
            await session.drop_image(spec, image_id, key=uuid5(pool.id, str(image_id)))

    async def _missing_disk(
        self, pool: StoragePool, volume_id: UUID, version: int, now_open: set[tuple[str, str]]
    ) -> None:
        volume = self._engine.cloud[volumes].get(volume_id)
        if volume is None or volume.job_id or volume.version != version:
            return
        if self._guest_is_busy(volume.vm_id):
            return
        now_open.add((str(FindingKind.MISSING_DISK), str(volume_id)))
        if self._twice("missing disk", str(volume_id), pool.id):
            text = (
                f"volume {volume.name} has no disk in pool {pool.name}: restore {volume.path}, or "
                "delete the volume"
            )
            await self._report(FindingKind.MISSING_DISK, pool.id, str(volume_id), text)

    def _guest_is_busy(self, vm_id: UUID | None) -> bool:
        vm = self._engine.cloud[vms].get(vm_id)
        return vm is not None and vm.job_id is not None

    # ---- shared --------------------------------------------------------------------------

    def _twice(self, what: str, subject: str, place: UUID) -> bool:
        """Whether the same thing was seen in the look before this one too."""
        mark = (what, subject, place)
        self._seen.add(mark)
        return mark in self._suspects

    def _is_open(self, kind: FindingKind, place: UUID, subject: str) -> bool:
        """Whether it is known already: reported to a person, or a saga is at work on it."""
        known = self._engine.cloud[findings].by("subject", subject)
        return any((one.finding, one.place_id) == (kind, place) for one in known)

    async def _report(self, kind: FindingKind, place: UUID, subject: str, text: str) -> None:
        if not self._is_open(kind, place, subject):
            ask = OpenFinding(id=uuid4(), finding=kind, place_id=place, subject=subject, text=text)
            await self._engine.decide(ask, BY)

    async def _close_lost(self) -> None:
        """Close what was found on hosts and pools that are no more."""
        cloud = self._engine.cloud
        found = (one for one in cloud[findings] if one.finding not in NOT_OURS)
        for place in {one.place_id for one in found}:
            if (
                place is not None
                and place not in cloud[hosts]
                and place not in cloud[storage_pools]
            ):
                await self._close(place, ())

    async def _close(self, place: UUID, still: Iterable[tuple[str, str]]) -> None:
        """Close what is there no more at this place; what a saga removes, the saga closes."""
        kept = set(still)
        gone = tuple(
            one.id
            for one in self._engine.cloud[findings].by("place_id", place)
            if one.finding not in (FindingKind.ORPHAN_GUEST, FindingKind.ORPHAN_DISK)
            and (str(one.finding), one.subject) not in kept
        )
        if gone:
            await self._engine.decide(CloseFindings(ids=gone), BY)
