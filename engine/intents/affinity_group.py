"""What may be asked of affinity groups beyond making one, which is a record's affair."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveAffinityGroup:
    """Its guests leave it; where they run is not touched."""

    group_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAffinity:
    """These groups and no others, for a guest that does not run."""

    vm_id: UUID
    group_ids: tuple[UUID, ...]
