"""What may be asked about image stores."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveImageStore:
    """Forget a store; refused while images lie in it."""

    store_id: UUID
