"""What may be asked of a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCluster:
    """The name of the hypervisor in any spelling; overcommit ratios come from the settings."""

    id: UUID
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCluster:
    """What its hosts offer follows."""

    id: UUID
    fields: dict[str, Any]
