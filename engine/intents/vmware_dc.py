"""What may be asked of datacentres of vCenters, beside what every data noun is asked."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class RemoveVmwareDc(Struct, frozen=True, kw_only=True):
    """Forget it and its password; refused while hosts of it are in its zone."""

    id: UUID
