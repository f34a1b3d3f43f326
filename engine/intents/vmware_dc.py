"""What may be asked of datacentres of vCenters, beside what every data noun is asked."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveVmwareDc:
    """Forget it and its password; refused while hosts of it are in its zone."""

    id: UUID
