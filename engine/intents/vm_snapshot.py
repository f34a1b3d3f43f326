"""What may be asked of snapshots of whole guests."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from engine.intents.ending import ending


class CreateVmSnapshot(Struct, frozen=True, kw_only=True):
    """Keep a guest as it is now. `with_memory` is for one that runs, and only for that."""

    snapshot_id: UUID
    vm_id: UUID
    name: str
    display_name: str
    description: str = ""
    with_memory: bool = False


class DeleteVmSnapshot(Struct, frozen=True, kw_only=True):
    snapshot_id: UUID


class RevertToVmSnapshot(Struct, frozen=True, kw_only=True):
    """Let the guest be what it was. What it has done since is lost."""

    vm_id: UUID
    snapshot_id: UUID


ending("vm_snapshot", lambda snapshot: DeleteVmSnapshot(snapshot_id=snapshot.id))
