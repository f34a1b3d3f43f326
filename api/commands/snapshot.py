"""Snapshots: take one, bring it back, delete it, list them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from api.commands.vm_checks import refuse_later
from api.declare import Caller, Job, Names, OneOf, Roles, Success, command
from api.errors import InvalidValue
from api.lists import Filter, Test, list_command, none_is
from api.scope import named_account
from api.views.snapshot import SnapshotView
from engine.intents.snapshot import CreateSnapshot, DeleteSnapshot, RevertSnapshot
from projections.setting import is_on
from projections.snapshot import MANUAL, snapshots
from projections.snapshot_policy import INTERVALS, snapshot_policies
from projections.vm import vms
from projections.volume import Volume, volumes

KIND = "snapshot"
PLACES = OneOf("PRIMARY", "SECONDARY")


@command(
    "createSnapshot",
    returns=SnapshotView,
    key=KIND,
    allow="ARDU",
    is_async=True,
    creates=True,
    action="SNAPSHOT.CREATE",
)
class TakeSnapshot:
    """Keep what a volume holds now; a guest that uses it runs on."""

    volume_id: Annotated[UUID, "the volume", Names("volume", right="operate")]
    name: Annotated[str | None, "its name; from the volume's and the time if omitted"] = None
    policy_id: Annotated[
        UUID | None, "count it as a run of this policy", Names("snapshot_policy", right="operate")
    ] = None
    account: Annotated[str | None, "the account that owns the volume"] = None
    domain_id: Annotated[UUID | None, "that account's domain", Names("domain", "see")] = None
    quiesce_vm: Annotated[bool | None, "refused: no pool here can still a guest's writes"] = None
    async_backup: Annotated[bool | None, "accepted: a snapshot is where it stays at once"] = None
    location_type: Annotated[str | None, "PRIMARY: the pool of the volume", PLACES] = None
    zone_ids: Annotated[
        tuple[UUID, ...] | None, "not offered: copies in other zones", Names("zone")
    ] = None
    storage_ids: Annotated[
        tuple[UUID, ...] | None,
        "not offered: copies in other pools",
        Names("storage_pool"),
        Roles("Admin"),
    ] = None
    use_storage_replication: Annotated[bool | None, "not offered"] = None
    tags: Annotated[dict[str, str] | None, "its tags"] = None

    async def run(self, caller: Caller) -> Job:
        refuse_later(self, ("quiesce_vm", "zone_ids", "storage_ids", "use_storage_replication"))
        if self.location_type == "SECONDARY":
            raise InvalidValue("locationtype SECONDARY is not offered: snapshots stay in the pool")
        volume = caller.cloud[volumes][self.volume_id]
        _check_owner(self, volume, caller)
        _check_running(volume, caller)
        policy = caller.cloud[snapshot_policies].get(self.policy_id)
        if policy is not None and policy.volume_id != volume.id:
            raise InvalidValue(f"policyid {policy.id} is a policy of another volume")
        at = datetime.fromtimestamp(caller.now_ms / 1000, UTC)
        ask = CreateSnapshot(
            snapshot_id=caller.new_id(),
            volume_id=volume.id,
            name=self.name or f"{volume.name}_{at:%Y%m%d%H%M%S}"[-255:],
            interval=MANUAL if policy is None else policy.interval,
            policy_id=self.policy_id,
            tags=self.tags or {},
        )
        return await caller.submit(ask)


def _check_running(volume: Volume, caller: Caller) -> None:
    """Whether disks of guests that run on KVM may be snapshotted is a setting."""
    vm, name = caller.cloud[vms].get(volume.vm_id), "kvm.snapshot.enabled"
    on_kvm = vm is not None and vm.host_id is not None and vm.hypervisor == "KVM"
    if on_kvm and not is_on(caller.cloud, name):
        raise InvalidValue(
            f"volume {volume.name} is of a guest that runs on KVM and {name} is false: stop it"
        )


def _check_owner(ask: TakeSnapshot, volume: Volume, caller: Caller) -> None:
    """A snapshot is its volume's owner's; who names another account means something else."""
    if ask.account is None:
        return
    named = named_account(caller, ask.account, ask.domain_id)
    if named != volume.account_id:
        raise InvalidValue(
            f"account {ask.account} does not own volume {volume.name}: leave account out"
        )


@command("deleteSnapshot", returns=Success, allow="ARDU", is_async=True, action="SNAPSHOT.DELETE")
class DropSnapshot:
    """Delete a snapshot; volumes that were made from it stay."""

    id: Annotated[UUID, "the snapshot", Names(KIND, right="operate")]
    zone_id: Annotated[UUID | None, "the zone that it is in", Names("zone", right="see")] = None

    async def run(self, caller: Caller) -> Job:
        snapshot = caller.cloud[snapshots][self.id]
        if self.zone_id not in (None, snapshot.zone_id):
            raise InvalidValue(f"snapshot {snapshot.name} is not in zone {self.zone_id}")
        return await caller.submit(DeleteSnapshot(snapshot_id=self.id))


@command(
    "revertSnapshot",
    returns=SnapshotView,
    key=KIND,
    allow="ARDU",
    is_async=True,
    action="SNAPSHOT.REVERT",
)
class BringBackSnapshot:
    """Let a volume be what it was; its virtual machine must be stopped."""

    id: Annotated[UUID, "the snapshot", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await caller.submit(RevertSnapshot(snapshot_id=self.id))


def _is_of_type(row: Any, value: str) -> bool:
    return bool((row.interval == MANUAL) == (value == MANUAL))


def _in_place(row: Any, value: str) -> bool:
    return value == "PRIMARY"


@list_command("listSnapshots", view=SnapshotView, table=snapshots, key=KIND)
class ListSnapshots:
    """List snapshots."""

    volume_id: Annotated[UUID | None, "of this volume", Names("volume", right="see")] = None
    zone_id: Annotated[UUID | None, "in this zone", Names("zone", right="see")] = None
    interval_type: Annotated[
        str | None,
        "HOURLY, DAILY, WEEKLY or MONTHLY",
        OneOf(*INTERVALS),
        Filter("interval"),
    ] = None
    snapshot_type: Annotated[
        str | None, "MANUAL or RECURRING", OneOf(MANUAL, "RECURRING"), Filter(test=_is_of_type)
    ] = None
    storage_id: Annotated[
        UUID | None, "in this pool", Names("storage_pool", right="see"), Filter("pool_id")
    ] = None
    image_store_id: Annotated[
        UUID | None, "on this image store: none is", Names("image_store", right="see"), Filter()
    ] = None
    location_type: Annotated[str | None, "PRIMARY or SECONDARY", PLACES, Filter(test=_in_place)] = (
        None
    )
    show_unique: Annotated[bool | None, "each is shown once in any case", Filter()] = None

    def tests(self, caller: Caller) -> Iterator[Test]:
        if self.image_store_id is not None:
            yield none_is
