"""Ranges of public addresses, or of addresses of a shared network."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct

from engine.intents.ending import VPCS, ending


class CreateVlanIpRange(Struct, frozen=True, kw_only=True):
    """Its addresses become an address space of their own."""

    id: UUID
    fields: dict[str, Any]


class UpdateVlanIpRange(Struct, frozen=True, kw_only=True):
    """A changed range; refused where it would drop an address that somebody has."""

    id: UUID
    fields: dict[str, Any]


class RemoveVlanIpRange(Struct, frozen=True, kw_only=True):
    """Refused while an address of it is taken."""

    id: UUID


def _given_back(row: Any) -> UpdateVlanIpRange:
    """A range that was dedicated to an account is the cloud's again."""
    return UpdateVlanIpRange(id=row.id, fields={"account_id": None, "domain_id": None})


ending("vlan_ip_range", _given_back, turn=VPCS)
