"""What may be asked of instance groups beyond making and renaming one."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureInstanceGroup:
    """The account's group of this name; made under `group_id` if it has none."""

    group_id: UUID
    account_id: UUID
    domain_id: UUID
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveInstanceGroup:
    """Its guests are in no group afterwards."""

    group_id: UUID
