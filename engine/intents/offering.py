"""What may be asked about offerings of any kind."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOffering:
    """Delete an offering of `kind`. One that is in use stays, inactive, for those who use it."""

    kind: str
    id: UUID
