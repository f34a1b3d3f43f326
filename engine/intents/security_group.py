"""What may be asked of a security group."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from msgspec import Struct

from engine.intents.ending import ending


class EnsureDefaultGroup(Struct, frozen=True, kw_only=True):
    """The group `default` of an account: as it is, or made now with this id. Answers its id."""

    id: UUID
    account_id: UUID
    domain_id: UUID


class EndSecurityGroup(Struct, frozen=True, kw_only=True):
    """Remove a group because its account ends: the default one, and all rules that name it."""

    id: UUID


class AuthorizeTraffic(Struct, frozen=True, kw_only=True):
    """A rule for each of the subnets and groups, but for those that are there already.

    The rules that it makes have the ids `rule_id(batch, 0)`, `rule_id(batch, 1)`, ...; if there is
    none to make it is refused. `fields` are what all of them share.
    """

    security_group_id: UUID
    batch: UUID
    fields: dict[str, Any]
    cidrs: list[str]
    peer_group_ids: list[UUID]


class SetSecurityGroups(Struct, frozen=True, kw_only=True):
    """Put a stopped guest into these groups, and out of all others."""

    vm_id: UUID
    security_group_ids: list[UUID]


def rule_id(batch: UUID, number: int) -> UUID:
    """The id of a rule of a batch."""
    return uuid5(batch, str(number))


ending("security_group", lambda group: EndSecurityGroup(id=group.id))
