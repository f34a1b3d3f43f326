"""What may be asked of instance groups beyond making and renaming one."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class EnsureInstanceGroup(Struct, frozen=True, kw_only=True):
    """The account's group of this name; made under `group_id` if it has none."""

    group_id: UUID
    account_id: UUID
    domain_id: UUID
    name: str


class RemoveInstanceGroup(Struct, frozen=True, kw_only=True):
    """Its guests are in no group afterwards."""

    group_id: UUID
