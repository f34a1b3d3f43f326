"""What may be asked of affinity groups beyond making one, which is a record's affair."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class RemoveAffinityGroup(Struct, frozen=True, kw_only=True):
    """Its guests leave it; where they run is not touched."""

    group_id: UUID


class SetAffinity(Struct, frozen=True, kw_only=True):
    """These groups and no others, for a guest that does not run."""

    vm_id: UUID
    group_ids: tuple[UUID, ...]
