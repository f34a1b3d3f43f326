"""Usage as the wire shows it: hours of a thing in a part of the time that was asked about."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.declare import Cloud, Date, View, view
from api.views.owner import OwnedView, owner
from api.views.tag import TagView, tags_of
from projections.account import accounts
from projections.os_category import os_categories
from projections.os_type import os_types
from projections.template import templates
from projections.usage import (
    ALLOCATED_VM,
    IP_ADDRESS,
    NETWORK_OFFERING,
    RUNNING_VM,
    SECURITY_GROUP,
)
from projections.usage_spans import Span

HOUR_MS = 3_600_000
# CloudStack's numbers, names and descriptions.
TYPES = {
    1: ("RUNNING_VM", "Running Vm Usage"),
    2: ("ALLOCATED_VM", "Allocated Vm Usage"),
    3: ("IP_ADDRESS", "IP Address Usage"),
    4: ("NETWORK_BYTES_SENT", "Network Usage (Bytes Sent)"),
    5: ("NETWORK_BYTES_RECEIVED", "Network Usage (Bytes Received)"),
    6: ("VOLUME", "Volume Usage"),
    7: ("TEMPLATE", "Template Usage"),
    8: ("ISO", "ISO Usage"),
    9: ("SNAPSHOT", "Snapshot Usage"),
    10: ("SECURITY_GROUP", "Security Group Usage"),
    11: ("LOAD_BALANCER_POLICY", "Load Balancer Usage"),
    12: ("PORT_FORWARDING_RULE", "Port Forwarding Usage"),
    13: ("NETWORK_OFFERING", "Network Offering Usage"),
    14: ("VPN_USERS", "VPN users usage"),
    25: ("VM_SNAPSHOT", "VM Snapshot storage usage"),
    30: ("NETWORK", "Network Usage"),
    31: ("VPC", "VPC Usage"),
}
VERBS = {
    1: "running time",
    2: "allocated",
    3: "public address",
    6: "volume",
    7: "template",
    8: "ISO",
    9: "snapshot",
    10: "security group",
    11: "load balancer rule",
    12: "port forwarding rule",
    13: "network card",
    14: "VPN user",
    25: "VM snapshot",
    30: "network",
    31: "VPC",
}


@view
class UsageTypeView(View, kw_only=True):
    """A kind of usage."""

    id: Annotated[int, "its number"]
    name: Annotated[str, "its name"]
    description: Annotated[str, "what it is"]


@view
class UsageRecordView(OwnedView, kw_only=True):
    """How long one thing was used in a part of the period."""

    account_id: Annotated[UUID, "the account that used it"]
    zone_id: Annotated[UUID | None, "the zone that it is in"] = None
    description: Annotated[str, "what was used, in words"]
    usage: Annotated[str, "how long, with the unit"]
    raw_usage: Annotated[str, "the same as a number: hours"]
    usage_type: Annotated[int, "the number of the kind, see listUsageTypes"]
    usage_id: Annotated[UUID, "the thing"]
    name: Annotated[str | None, "its name"] = None
    virtual_machine_id: Annotated[UUID | None, "the guest"] = None
    offering_id: Annotated[UUID | None, "its offering"] = None
    template_id: Annotated[UUID | None, "its template"] = None
    type: Annotated[str | None, "the hypervisor, of a guest"] = None
    size: Annotated[int | None, "its size in bytes"] = None
    virtual_size: Annotated[int | None, "the size that a guest sees, in bytes"] = None
    cpu_number: Annotated[int | None, "its cores"] = None
    cpu_speed: Annotated[int | None, "the speed of one in MHz"] = None
    memory: Annotated[int | None, "its memory in MiB"] = None
    os_type_id: Annotated[UUID | None, "the operating system of its template"] = None
    os_display_name: Annotated[str | None, "the name of that"] = None
    os_category_id: Annotated[UUID | None, "the family of that"] = None
    os_category_name: Annotated[str | None, "the name of the family"] = None
    is_source_nat: Annotated[bool | None, "of an address: whether a network goes out by it"] = None
    is_system: Annotated[bool | None, "of an address: whether it was not asked for"] = None
    network_id: Annotated[UUID | None, "the network of a network card"] = None
    is_default: Annotated[bool | None, "of a network card: whether it is the guest's first"] = None
    start_date: Annotated[Date, "the beginning of the part"]
    end_date: Annotated[Date, "the end of the part"]
    tags: Annotated[list[TagView] | None, "the tags of the thing, if they are asked for"] = None


def record(
    span: Span, used_ms: int, bounds: tuple[Date, Date], cloud: Cloud, *, with_tags: bool
) -> UsageRecordView:
    """One record: `used_ms` of a thing within a part of the period."""
    meter, hours = span.meter, f"{used_ms / HOUR_MS:.6f}".rstrip("0").rstrip(".")
    guest = meter.kind in (RUNNING_VM, ALLOCATED_VM)
    thing_id = meter.about if meter.kind == SECURITY_GROUP and meter.about else span.thing_id
    address = meter.kind == IP_ADDRESS
    return UsageRecordView(
        account_id=span.account_id,
        zone_id=span.zone_id,
        description=_words(span),
        usage=f"{hours} Hrs",
        raw_usage=hours,
        usage_type=meter.kind,
        usage_id=thing_id,
        name=meter.name or None,
        virtual_machine_id=span.thing_id if guest else meter.vm_id,
        offering_id=meter.offering_id,
        template_id=meter.template_id,
        type=meter.what or None,
        size=meter.size_bytes,
        virtual_size=meter.virtual_bytes,
        cpu_number=meter.cpu_count,
        cpu_speed=meter.cpu_mhz,
        memory=meter.memory_mib,
        is_source_nat=meter.is_source_nat,
        is_system=meter.is_source_nat if address else None,
        network_id=meter.network_id,
        is_default=meter.is_default,
        start_date=bounds[0],
        end_date=bounds[1],
        tags=tags_of(thing_id, cloud) if with_tags else None,
        **_system(span, cloud),
        **_owner(span, cloud),
    )


def _words(span: Span) -> str:
    meter = span.meter
    parts = [f"{meter.name or span.thing_id} {VERBS[meter.kind]}"]
    named = (
        ("NetworkOffering" if meter.kind == NETWORK_OFFERING else "Offering", meter.offering_id),
        ("Template", meter.template_id),
        ("Size", meter.size_bytes),
    )
    parts += [f"({what}: {value})" for what, value in named if value is not None]
    return " ".join(parts)


def _owner(span: Span, cloud: Cloud) -> dict[str, Any]:
    """Whose it was then; names only of those who are still there."""
    account = cloud[accounts].get(span.account_id)
    if account is None:
        return {"domain_id": span.domain_id}
    return owner(span, cloud)


def _system(span: Span, cloud: Cloud) -> dict[str, Any]:
    """The operating system of the template, as long as that is there."""
    template = cloud[templates].get(span.meter.template_id)
    system = cloud[os_types].get(template.os_type_id) if template else None
    family = cloud[os_categories].get(system.category_id) if system else None
    return {
        "os_type_id": system and system.id,
        "os_display_name": system and system.name,
        "os_category_id": family and family.id,
        "os_category_name": family and family.name,
    }


__all__ = ["TYPES", "UsageRecordView", "UsageTypeView", "record"]
