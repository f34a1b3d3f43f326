"""Keeping a place for somebody: only one that nobody else uses, and only once."""

from __future__ import annotations

from uuid import UUID

from aggregates.dedication import Dedication
from aggregates.errors import AlreadyExists, InUse, NotFound
from aggregates.vm import Vm, VmState
from engine.decide import Desk, decision
from engine.decisions.record import create, remove
from engine.dedication import hosts_of, serves
from engine.intents.dedication import Dedicate, Release
from engine.intents.record import CreateRecord, RemoveRecord
from projections.account import accounts
from projections.capacity import Capacity
from projections.cloud import Cloud
from projections.dedication import dedications
from projections.vm import vms


@decision
def dedicate(ask: Dedicate, desk: Desk) -> None:
    noun = ask.place.removesuffix("_id")
    if next(iter(desk.cloud[dedications].by(ask.place, ask.place_id)), None) is not None:
        raise AlreadyExists(f"{noun} {ask.place_id} is dedicated already: release it first")
    owner = {"domain_id": ask.domain_id, "account_id": ask.account_id}
    fields = {ask.place: ask.place_id, **owner}
    create(CreateRecord(kind="dedication", id=ask.id, fields=fields), desk)
    _used_by_nobody_else(desk, desk.draft.row(dedications, ask.id))


@decision
def release(ask: Release, desk: Desk) -> None:
    row = next(iter(desk.cloud[dedications].by(ask.place, ask.place_id)), None)
    if row is None:
        noun = ask.place.removesuffix("_id")
        raise NotFound(f"{noun} {ask.place_id} is dedicated to nobody")
    remove(RemoveRecord(kind="dedication", id=row.id), desk)


def _coming(cloud: Cloud) -> dict[UUID, list[Vm]]:
    """The guests that start or move, by every host that they are promised."""
    found: dict[UUID, list[Vm]] = {}
    for state in (VmState.STARTING, VmState.MIGRATING):
        for vm in cloud[vms].by("state", state):
            for held in cloud.view(Capacity).holds_of_vm(vm.id):
                found.setdefault(held.host_id, []).append(vm)
    return found


def _used_by_nobody_else(desk: Desk, made: Dedication) -> None:
    """Neither runs a guest there, nor has one that is just coming."""
    coming = _coming(desk.cloud)
    for host in hosts_of(desk.cloud, made):
        for vm in (*desk.cloud[vms].by("host_id", host.id), *coming.get(host.id, ())):
            if not serves(desk.cloud, made, vm.account_id):
                account = desk.cloud[accounts].get(vm.account_id)
                raise InUse(
                    f"host {host.name} runs, or is about to run, virtual machine {vm.name} of "
                    f"account {account.name if account else vm.account_id}: move or stop it first"
                )
