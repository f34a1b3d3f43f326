"""Ranges of public addresses, or of addresses of a shared network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateVlanIpRange:
    """Its addresses become an address space of their own."""

    id: UUID
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateVlanIpRange:
    """A changed range; refused where it would drop an address that somebody has."""

    id: UUID
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveVlanIpRange:
    """Refused while an address of it is taken."""

    id: UUID
