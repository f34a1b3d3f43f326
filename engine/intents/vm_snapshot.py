"""What may be asked of snapshots of whole guests."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from engine.intents.ending import ending


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateVmSnapshot:
    """Keep a guest as it is now. `with_memory` is for one that runs, and only for that."""

    snapshot_id: UUID
    vm_id: UUID
    name: str
    display_name: str
    description: str = ""
    with_memory: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteVmSnapshot:
    snapshot_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RevertToVmSnapshot:
    """Let the guest be what it was. What it has done since is lost."""

    vm_id: UUID
    snapshot_id: UUID


ending("vm_snapshot", lambda snapshot: DeleteVmSnapshot(snapshot_id=snapshot.id))
