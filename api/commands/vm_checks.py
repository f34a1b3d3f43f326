"""What a deploy is checked against before any work begins: sizes, names, templates, user data.

Plain functions of what was asked and what the cloud knows; each refusal says what to do instead.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api.declare import Caller
from api.errors import Denied, InvalidValue
from api.fields import wire_name
from api.parse import integer
from projections.cloud import Cloud
from projections.disk_offering import DiskOffering
from projections.service_offering import ServiceOffering
from projections.setting import is_on, number_of, wider
from projections.snapshot import Snapshot
from projections.ssh_key_pair import ssh_key_pairs
from projections.template import Image, Template, templates
from projections.vm import vms
from projections.zone import Zone

GIB = 2**30
USER_DATA_LENGTH = 1_048_576
PASSWORD_MIN = 6
PLANNERS = ("FirstFitPlanner", "UserDispersingPlanner", "UserConcentratedPodPlanner")
# A label of a host name (RFC 1123), which may not begin with a digit as guests dislike that.
HOST_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Size:
    """How large a guest is, and the tags that its host must carry."""

    cpu_count: int
    cpu_mhz: int
    memory_mib: int
    host_tags: list[str]


def refuse_later(ask: Any, names: Iterable[str]) -> None:
    """Say no to what is asked for but not offered yet, rather than forget it silently."""
    asked = next((name for name in names if getattr(ask, name)), None)
    if asked is not None:
        raise InvalidValue(f"{wire_name(asked)} is not offered by this cloud: leave it out")


def size_of(offering: ServiceOffering, details: Mapping[str, str | None], zone: Zone) -> Size:
    """The guest's size: the offering's, or within its bounds what the details say."""
    check_offered(offering, "service offering", zone)
    if offering.is_system:
        raise InvalidValue(
            f"service offering {offering.name} is for system virtual machines: choose another"
        )
    said = {name.lower(): value or "" for name, value in details.items()}
    return Size(
        cpu_count=_measure(offering, offering.cpu_count, said, "cpuNumber"),
        cpu_mhz=_measure(offering, offering.cpu_mhz, said, "cpuSpeed"),
        memory_mib=_measure(offering, offering.memory_mib, said, "memory"),
        host_tags=list(offering.host_tags),
    )


def _measure(
    offering: ServiceOffering, fixed: int | None, said: Mapping[str, str], name: str
) -> int:
    """One number of a size: fixed by the offering, or said in the details within its bounds."""
    raw = said.get(name.lower())
    if fixed is not None:
        if raw is not None and raw != str(fixed):
            raise InvalidValue(
                f"service offering {offering.name} fixes {name} to {fixed}: leave it out"
            )
        return fixed
    if raw is None:
        raise InvalidValue(f"service offering {offering.name} is custom: say details[0].{name}")
    try:
        value = integer(raw)
    except ValueError as why:
        raise InvalidValue(f"details[0].{name} {why}") from None
    low = _bound(offering, f"min{name}", 1)
    high = _bound(offering, f"max{name}", 2**31 - 1)
    if not low <= value <= high:
        raise InvalidValue(f"{name} is {value}: offering {offering.name} allows {low} to {high}")
    return value


def _bound(offering: ServiceOffering, name: str, default: int) -> int:
    found = {key.lower(): value for key, value in offering.details.items()}.get(name.lower())
    return int(found) if found and found.isdecimal() else default


def check_offered(offering: Any, noun: str, zone: Zone) -> None:
    """The offering is active, and offered in the zone."""
    if offering.state != "Active":
        raise InvalidValue(f"{noun} {offering.name} is {offering.state}: choose another")
    if offering.zone_ids and zone.id not in offering.zone_ids:
        raise InvalidValue(
            f"{noun} {offering.name} is not offered in zone {zone.name}: choose another"
        )


def open_to_users(caller: Caller, name: str, account_id: UUID) -> bool:
    """Does a setting let the users of an account do it? Administrators always may."""
    cloud = caller.engine.cloud
    return caller.role_type != "User" or is_on(cloud, name, *wider(cloud, "account", account_id))


def gib(offering: DiskOffering, asked_gib: int | None, caller: Caller) -> int:
    """The bytes of a data disk: the offering's, or for a custom one what was asked."""
    if offering.size_bytes is not None:
        if asked_gib is not None and asked_gib * GIB != offering.size_bytes:
            raise InvalidValue(
                f"disks of offering {offering.name} have {offering.size_bytes // GIB} GiB, not "
                f"{asked_gib}: leave the size out, or choose a custom offering"
            )
        return offering.size_bytes
    if asked_gib is None:
        raise InvalidValue(f"disk offering {offering.name} is custom: say size in GiB")
    least, most = custom_sizes_gib(caller.engine.cloud)
    if not least <= asked_gib <= most:
        raise InvalidValue(
            f"size of a disk of custom offering {offering.name} is {least} to {most} GiB by the "
            f"settings custom.diskoffering.size.min and .max, not {asked_gib}"
        )
    return asked_gib * GIB


def custom_sizes_gib(cloud: Cloud) -> tuple[int, int]:
    """The least and the most of a disk whose offering leaves the size open."""
    least, most = (number_of(cloud, f"custom.diskoffering.size.{end}") for end in ("min", "max"))
    return int(least), int(most)


def root_disk_bytes(
    made_of: Template | Snapshot,
    offering: ServiceOffering,
    asked_gib: int | None,
    fixed_bytes: int | None = None,
) -> int:
    """The bytes of the root disk, which is never smaller than what it is made from.

    `fixed_bytes` is what the disk offering says that takes the service offering's place.
    """
    least = made_of.part_bytes(0) if isinstance(made_of, Image) else made_of.size_bytes
    if fixed_bytes is not None:
        size_bytes = fixed_bytes
    elif asked_gib is not None:
        size_bytes = asked_gib * GIB
    else:
        size_bytes = offering.root_disk_bytes or least
    if size_bytes < least:
        least_gib = -(-least // GIB)
        raise InvalidValue(
            f"{made_of.KIND} {made_of.name} needs a root disk of at least {least_gib} GiB: "
            "raise rootdisksize, or choose another offering"
        )
    return size_bytes


def usable_template(caller: Caller, template_id: UUID, zone: Zone) -> Template:
    """A template that is ready in the zone. That the caller may use it is checked before."""
    template = caller.cloud[templates][template_id]
    check_in_zone(template, zone)
    return template


def check_in_zone(image: Image, zone: Zone) -> None:
    """A template or ISO is whole in the zone."""
    copy, noun = image.copy_in(zone.id), "ISO" if image.KIND == "iso" else image.KIND
    if copy is None:
        raise InvalidValue(
            f"{noun} {image.name} is not in zone {zone.name}: copy it there, or choose another"
        )
    if not copy.is_ready:
        raise InvalidValue(
            f"{noun} {image.name} is not ready ({copy.state}): wait for it, or choose another"
        )


def check_host_name(caller: Caller, account_id: UUID, name: str, but: UUID | None = None) -> None:
    """A host name that no other guest of the account has; two would share one DNS name."""
    if HOST_NAME.fullmatch(name) is None:
        raise InvalidValue(
            f"name {name!r} is no host name: letters, digits and hyphens, at most 63, "
            "beginning with a letter and not ending with a hyphen"
        )
    for vm in caller.cloud[vms].by_text("name", name):
        if vm.account_id == account_id and vm.id != but and vm.state != "Destroyed":
            raise InvalidValue(
                f"A virtual machine named {name} already exists in this account: choose another"
            )


def check_user_data(raw: str | None, said_by: str = "userdata") -> str:
    """The user data as it was sent, if it is base64; `said_by` is the parameter."""
    if not raw:
        return ""
    text = "".join(raw.split())
    padded = text + "=" * (-len(text) % 4)
    try:
        base64.b64decode(padded, altchars=None, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidValue(f"{said_by} is not base64: encode it first") from None
    return padded


def check_boot(hypervisor: str, kind: str | None, mode: str | None, setup: bool | None) -> str:
    """The firmware that the guest is started by: bios, uefi or uefi-secure."""
    if setup:
        raise InvalidValue(f"bootintosetup is for VMware alone, not {hypervisor}: leave it out")
    if kind is None and mode is not None:
        raise InvalidValue("bootmode needs boottype: say BIOS or UEFI")
    if kind != "UEFI":
        if mode == "SECURE":
            raise InvalidValue("a BIOS cannot boot in SECURE mode: say boottype=UEFI")
        return "bios"
    if mode is None:
        raise InvalidValue("boottype=UEFI needs bootmode: say LEGACY or SECURE")
    return "uefi-secure" if mode == "SECURE" else "uefi"


def check_password(password: str, template: Image | None) -> None:
    """A password that can be handed to a guest, whose template takes one."""
    if template is None or not template.password_enabled:
        name = "the guest" if template is None else f"template {template.name}"
        raise InvalidValue(f"{name} takes no password from the cloud: leave password out")
    if len(password) < PASSWORD_MIN:
        raise InvalidValue(f"password has less than {PASSWORD_MIN} characters: make it longer")
    if not password.isprintable():
        raise InvalidValue("password holds a character that cannot be typed: leave that out")


def planner_of(caller: Caller, name: str | None) -> str:
    """The planner that a root administrator asks for; one that the cloud knows."""
    if not name:
        return ""
    if not caller.is_root:
        raise Denied("deploymentplanner is for root administrators: leave it out")
    if name not in PLANNERS:
        raise InvalidValue(f"there is no planner {name}: choose of {', '.join(PLANNERS)}")
    return name


def known_key_pairs(caller: Caller, account_id: UUID, names: list[str]) -> list[str]:
    """The names of key pairs, each of which the account has."""
    if not names:
        return names
    known = {pair.name for pair in caller.cloud[ssh_key_pairs].by("account_id", account_id)}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InvalidValue(
            f"A key pair with name '{unknown[0]}' does not exist in this account: "
            "see listSSHKeyPairs"
        )
    return names
