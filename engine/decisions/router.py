"""Routers and system virtual machines: the states that operators move them through."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid5

from aggregates.errors import Invalid, NotAllowed
from aggregates.network import NetworkOutdated
from aggregates.record import RECORDS
from aggregates.router import serves
from aggregates.system_vm import CONSOLE_PROXY, SECONDARY_STORAGE
from aggregates.zone import Zone
from engine.decide import Desk, decision
from engine.decisions import record
from engine.decisions.record import Proposed, farewell, remove_parts
from engine.intents.record import UpdateRecord
from engine.intents.router import (
    DestroyRouter,
    LeavePlace,
    MigrateSystemVm,
    MoveRouter,
    MoveSystemVm,
    PlaceRouter,
    ReplaceSystemVm,
    ResizeSystemGuest,
    TellRouter,
)
from engine.routers import end_router
from projections.host import hosts
from projections.network import networks
from projections.router import routers
from projections.router_place import router_places
from projections.service_offering import service_offerings
from projections.system_vm import system_vms
from projections.table import TABLES

# Each kind with the beginning of its name.
KINDS = {SECONDARY_STORAGE: "s", CONSOLE_PROXY: "v"}
# A router of which nothing is known yet, since nobody has been told of it.
NEWS: Mapping[str, Any] = MappingProxyType({"trouble": "", "known_at_ms": 0})


@decision
def move_router(ask: MoveRouter, desk: Desk) -> None:
    started = {"started_at_ms": ask.at_ms} if ask.state == "Running" else {}
    _move("router", desk.row(routers, ask.id), ask, started, desk)


@decision
def destroy_router(ask: DestroyRouter, desk: Desk) -> None:
    router = desk.row(routers, ask.id)
    if router.role != "VIRTUAL_ROUTER":
        raise NotAllowed(f"{router.name} is a {router.role}: it goes with its load balancers")
    end_router(desk, router)
    if router.network_id is not None:
        desk.change(desk.row(networks, router.network_id), NetworkOutdated())
    if router.vpc_id is not None:
        outdated = {"restart_required": True}
        record.update(UpdateRecord(kind="vpc", id=router.vpc_id, fields=outdated), desk)


@decision
def place_router(ask: PlaceRouter, desk: Desk) -> None:
    """It is recorded that it may be there before it is."""
    router, host = desk.row(routers, ask.id), desk.row(hosts, ask.host_id)
    desk.guard(host)
    if all(one.host_id != host.id for one in desk.cloud[router_places].by("router_id", router.id)):
        fields = {"router_id": router.id, "host_id": host.id, "serves_id": serves(router)}
        desk.create(ask.place_id, RECORDS["router_place"].create(fields))
    record.update(
        UpdateRecord(kind="router", id=router.id, fields={**NEWS, "host_id": host.id}), desk
    )


@decision
def leave_place(ask: LeavePlace, desk: Desk) -> None:
    """A router that was there last is nowhere now."""
    place = desk.row(router_places, ask.id)
    desk.change(place, RECORDS["router_place"].removed())
    router = desk.cloud[routers].get(place.router_id)
    if router is not None and router.host_id == place.host_id:
        nowhere = {**NEWS, "host_id": None}
        record.update(UpdateRecord(kind="router", id=router.id, fields=nowhere), desk)


@decision
def tell_router(ask: TellRouter, desk: Desk) -> None:
    fields = {"trouble": ask.trouble, "known_at_ms": ask.at_ms}
    record.update(UpdateRecord(kind="router", id=ask.id, fields=fields), desk)


@decision
def move_system_vm(ask: MoveSystemVm, desk: Desk) -> None:
    _move("system_vm", desk.row(system_vms, ask.id), ask, {}, desk)


def _move(
    kind: str, row: Any, ask: MoveRouter | MoveSystemVm, also: dict[str, Any], desk: Desk
) -> None:
    if row.state not in ask.allowed:
        raise NotAllowed(f"{row.name} is {row.state}: it must be {' or '.join(ask.allowed)}")
    record.update(UpdateRecord(kind=kind, id=row.id, fields={"state": ask.state} | also), desk)


@decision
def migrate(ask: MigrateSystemVm, desk: Desk) -> None:
    row, host = desk.row(system_vms, ask.id), desk.row(hosts, ask.host_id)
    if row.state != "Running":
        raise NotAllowed(f"{row.name} is {row.state}: start it first")
    if host.zone_id != row.zone_id:
        raise Invalid(f"host {host.name} is in another zone: choose one of its zone")
    record.update(UpdateRecord(kind="system_vm", id=row.id, fields={"host_id": host.id}), desk)


@decision
def replace(ask: ReplaceSystemVm, desk: Desk) -> None:
    row = desk.row(system_vms, ask.id)
    desk.change(row, RECORDS["system_vm"].removed())
    _create(row.zone_id, row.kind, ask.next_id, desk)


@decision
def resize(ask: ResizeSystemGuest, desk: Desk) -> None:
    row: Any = desk.row(TABLES[ask.kind], ask.id)
    size = desk.row(service_offerings, ask.service_offering_id)
    wanted = "domainrouter" if ask.kind == "router" else row.kind
    if not size.is_system or size.system_vm_type.lower() != wanted:
        raise Invalid(
            f"service offering {size.name} is not for a {wanted}: choose a system offering that is",
            field="serviceofferingid",
        )
    if row.state != "Stopped":
        raise NotAllowed(f"{row.name} is {row.state}: stop it first")
    fields = {"service_offering_id": size.id}
    record.update(UpdateRecord(kind=ask.kind, id=row.id, fields=fields), desk)


def an_enabled_zone_has_its_system_vms(one: Proposed, desk: Desk) -> None:
    """One for images and one for consoles, from the moment that tenants may use the zone."""
    if one["allocation_state"] != "Enabled" or one["is_edge"]:
        return
    there = {row.kind for row in desk.cloud[system_vms].by("zone_id", one.id)}
    version = 0 if one.row is None else one.row.version
    for kind in KINDS:
        if kind not in there:
            _create(one.id, kind, uuid5(one.id, f"{kind}/{version}"), desk)


@farewell("zone")
def take_its_system_vms(row: Zone, desk: Desk) -> None:
    remove_parts(desk, "system_vm", "zone_id", row.id)


def _create(zone_id: UUID, kind: str, row_id: UUID, desk: Desk) -> None:
    sizes = desk.cloud[service_offerings]
    fields = {
        "name": f"{KINDS[kind]}-{str(row_id)[:8]}-VM",
        "zone_id": zone_id,
        "kind": kind,
        "service_offering_id": next((s.id for s in sizes if s.system_vm_type == kind), None),
    }
    desk.create(row_id, RECORDS["system_vm"].create(fields))
