"""What may be asked of a cluster."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct


class AddCluster(Struct, frozen=True, kw_only=True):
    """The name of the hypervisor in any spelling; overcommit ratios come from the settings."""

    id: UUID
    fields: dict[str, Any]


class UpdateCluster(Struct, frozen=True, kw_only=True):
    """What its hosts offer follows."""

    id: UUID
    fields: dict[str, Any]
