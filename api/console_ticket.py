"""Tickets for the door to serial consoles: made here, taken where the door is.

A ticket is for one user and one machine, sealed, good for a minute and once. It stands behind the
`#` of a URL, which no browser sends to a server; so no log has it.
"""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit
from uuid import UUID, uuid5

import msgspec

from api.caller import Caller

ENTRIES = UUID("5f0dbb9b-5c9e-4a3a-9d1b-8a7f1f0c9e52")
TICKET_S = 60


class Ticket(msgspec.Struct, frozen=True):
    """What lies in the sealed store: of several for one machine, the last one counts."""

    token: str
    user_id: UUID
    expires_at_ms: int


class Place(msgspec.Struct, frozen=True):
    """Where one gets in, whole and in parts."""

    page: str
    token: str
    host: str
    port: str
    path: str


async def admit(caller: Caller, vm_id: UUID) -> Place:
    """Make a ticket for whoever asks."""
    token = secrets.token_urlsafe(24)
    ticket = Ticket(token, caller.user_id, caller.now_ms + TICKET_S * 1000)
    await caller.seal(msgspec.json.encode(ticket).decode(), entry_of(vm_id))
    base = caller.engine.base_url
    parts = urlsplit(base)
    path = f"/client/console/{vm_id}"
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Place(f"{base}{path}#{token}", token, parts.hostname or "", str(port), f"{path}/line")


def entry_of(vm_id: UUID) -> UUID:
    return uuid5(ENTRIES, str(vm_id))
