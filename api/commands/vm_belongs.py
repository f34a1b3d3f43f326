"""What a guest belongs to and is told, as its owner names it: groups, keys, user data, a lease.

Whatever is named here is the guest's account's own, or open to it; rights on ids are checked
before, so here only what a right cannot say is left to check.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any
from uuid import UUID

import msgspec

from api.caller import Caller
from api.commands.vm_checks import check_user_data
from api.errors import InvalidValue
from engine.intents.instance_group import EnsureInstanceGroup
from projections.affinity_group import affinity_groups
from projections.instance_group import instance_groups
from projections.ssh_key_pair import ssh_key_pairs
from projections.template import Image
from projections.user_data import user_datas

DAY_MS = 86_400_000
LEASE_DAYS_MAX = 36_500
LEASE_ACTIONS = ("STOP", "DESTROY")
# What cloud-init takes a part of user data for, by how it begins.
MIME_KINDS = {
    "#cloud-config-archive": "cloud-config-archive",
    "#cloud-config": "cloud-config",
    "#cloud-boothook": "cloud-boothook",
    "#include": "x-include-url",
    "## template: jinja": "jinja2",
    "#!": "x-shellscript",
}
BOUNDARY = "==sagastack-user-data=="


@dataclass(frozen=True, slots=True)
class Told:
    """User data as a guest gets it: its text in base64, and from where."""

    content: str = ""
    user_data_id: UUID | None = None
    details: dict[str, str] = field(default_factory=dict)


def affinity_of(
    caller: Caller, account_id: UUID, ids: Iterable[UUID] | None, names: Iterable[str] | None
) -> tuple[UUID, ...]:
    """The affinity groups of these ids, or names; each is the guest's account's own."""
    if ids and names:
        raise InvalidValue("affinitygroupids and affinitygroupnames exclude each other")
    table = caller.cloud[affinity_groups]
    found = [table[one] for one in ids or ()]
    for name in names or ():
        mine = (row for row in table.by_text("name", name) if row.account_id == account_id)
        row = next(mine, None)
        if row is None:
            raise InvalidValue(f"there is no affinity group {name} in this account")
        found.append(row)
    for row in found:
        if row.account_id != account_id:
            raise InvalidValue(
                f"affinity group {row.name} is another account's: choose one of the guest's"
            )
    return tuple(dict.fromkeys(row.id for row in found))


async def group_for(
    caller: Caller, account_id: UUID, domain_id: UUID, name: str | None
) -> UUID | None:
    """The instance group of this name, which is made if the account has none; None without one."""
    if not name:
        return None
    for row in caller.cloud[instance_groups].by_text("name", name):
        if row.account_id == account_id:
            return row.id
    if caller.dry_run:
        return None  # it would be made; the rest is looked at without it
    ask = EnsureInstanceGroup(
        group_id=caller.new_id(), account_id=account_id, domain_id=domain_id, name=name
    )
    # The event list shall show a group being made, not a second guest.
    aside = replace(caller, by=msgspec.structs.replace(caller.by, action="INSTANCE.GROUP.CREATE"))
    found: UUID = await aside.decide(ask)
    return found


def public_keys_of(caller: Caller, account_id: UUID, names: Sequence[str]) -> tuple[str, ...]:
    """The public halves of these key pairs of the account."""
    if not names:
        return ()
    pairs = {row.name: row for row in caller.cloud[ssh_key_pairs].by("account_id", account_id)}
    return tuple(pairs[name].public_key for name in names)


def told_by(
    caller: Caller,
    user_data: str | None,
    user_data_id: UUID | None,
    details: Mapping[str, str] | None,
    template: Image | None = None,
) -> Told:
    """The user data that was given or named, together with the template's as that wants it."""
    if user_data and user_data_id:
        raise InvalidValue("userdata and userdataid exclude each other: leave one out")
    own = _own(caller, user_data, user_data_id, details or {})
    linked = None if template is None else caller.cloud[user_datas].get(template.user_data_id)
    if template is None or linked is None:
        return own
    if not own.content:
        return Told(linked.content, linked.id, dict(details or {}))
    if template.user_data_policy == "DENYOVERRIDE":
        raise InvalidValue(
            f"template {template.name} brings its own user data and allows no other: "
            "leave userdata and userdataid out"
        )
    if template.user_data_policy == "APPEND":
        return replace(own, content=joined(linked.content, own.content))
    return own


def _own(
    caller: Caller, user_data: str | None, user_data_id: UUID | None, details: Mapping[str, str]
) -> Told:
    if user_data_id is None:
        return Told(check_user_data(user_data), None, dict(details))
    row = caller.cloud[user_datas][user_data_id]
    strange = sorted(set(details) - set(row.params)) if row.params else []
    if strange:
        raise InvalidValue(
            f"user data {row.name} has no parameter {strange[0]}: it has {', '.join(row.params)}"
        )
    return Told(row.content, row.id, dict(details))


def joined(first: str, second: str) -> str:
    """Two user data as one MIME message of both, which is how cloud-init takes several."""
    whole = MIMEMultipart("mixed", BOUNDARY)
    for one in (first, second):
        for part in _parts(base64.b64decode(one)):
            whole.attach(part)
    return base64.b64encode(whole.as_bytes()).decode()


def _parts(content: bytes) -> list[Any]:
    """What is a message of several parts already gives those; all else is one part."""
    if content.lstrip().lower().startswith((b"content-type: multipart", b"mime-version:")):
        message = message_from_bytes(content)
        if message.is_multipart():
            return list(message.get_payload())
    text = content.decode(errors="replace")
    kind = next((kind for start, kind in MIME_KINDS.items() if text.startswith(start)), "plain")
    return [MIMEText(text, kind, "utf-8")]


def lease_until(now_ms: int, days: int | None, action: str | None) -> tuple[int, str]:
    """When a lease ends and what happens then; -1 days is no lease, as is saying nothing."""
    if days is None:
        if action is not None:
            raise InvalidValue("leaseexpiryaction needs leaseduration, the days of the lease")
        return 0, ""
    if days == -1:
        return 0, ""
    if not 1 <= days <= LEASE_DAYS_MAX:
        raise InvalidValue(f"leaseduration is 1 to {LEASE_DAYS_MAX} days, or -1 for no lease")
    return now_ms + days * DAY_MS, action or LEASE_ACTIONS[0]
