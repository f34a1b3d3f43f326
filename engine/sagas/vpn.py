"""VPNs as far as their secrets are concerned: what is replaced or removed is shredded."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from engine import people
from engine.decide import Desk
from engine.decisions import record
from engine.intents import By
from engine.intents.record import RemoveRecord, UpdateRecord
from engine.intents.vpn import (
    ChangeCustomerGateway,
    CloseRemoteAccess,
    RemoveCustomerGateway,
    RemoveVpnUser,
)
from engine.saga import Run, Saga
from projections.table import TABLES

SECRETS = {
    "remote_access_vpn": "psk_ref",
    "vpn_user": "password_ref",
    "vpn_customer_gateway": "psk_ref",
}


def _desk(run: Run[Any]) -> Desk:
    assert run.draft is not None
    return Desk(run.draft, run.world, By())


def _remove(run: Run[Any], kind: str, row_id: UUID) -> list[str]:
    """Remove a row; answers with its secret."""
    ref = getattr(run.row(TABLES[kind], row_id), SECRETS[kind])
    record.remove(RemoveRecord(kind=kind, id=row_id), _desk(run))
    return [ref]


close_access = Saga(
    "remote_access_vpn.close:1",
    CloseRemoteAccess,
    "remote_access_vpn",
    lambda ask: ask.id,
    forward_only=True,
)


@close_access.step
def close(run: Run[CloseRemoteAccess]) -> list[str]:
    return _remove(run, "remote_access_vpn", run.intent.id)


@close_access.step
async def shred_key(run: Run[CloseRemoteAccess]) -> None:
    await people.shred(run, run[close])


remove_user = Saga(
    "vpn_user.remove:1", RemoveVpnUser, "vpn_user", lambda ask: ask.id, forward_only=True
)


@remove_user.step
def forget(run: Run[RemoveVpnUser]) -> list[str]:
    return _remove(run, "vpn_user", run.intent.id)


@remove_user.step
async def shred_password(run: Run[RemoveVpnUser]) -> None:
    await people.shred(run, run[forget])


change_gateway = Saga(
    "vpn_customer_gateway.change:1",
    ChangeCustomerGateway,
    "vpn_customer_gateway",
    lambda ask: ask.id,
    forward_only=True,
)


@change_gateway.step
def change(run: Run[ChangeCustomerGateway]) -> list[str]:
    """Answers with the key that was replaced, if one was."""
    ask, kind = run.intent, "vpn_customer_gateway"
    before = run.row(TABLES[kind], ask.id).psk_ref
    record.update(UpdateRecord(kind=kind, id=ask.id, fields=ask.fields), _desk(run))
    return [before] if ask.fields.get("psk_ref", before) != before else []


@change_gateway.step
async def shred_replaced(run: Run[ChangeCustomerGateway]) -> None:
    await people.shred(run, run[change])


remove_gateway = Saga(
    "vpn_customer_gateway.remove:1",
    RemoveCustomerGateway,
    "vpn_customer_gateway",
    lambda ask: ask.id,
    forward_only=True,
)


@remove_gateway.step
def remove(run: Run[RemoveCustomerGateway]) -> list[str]:
    return _remove(run, "vpn_customer_gateway", run.intent.id)


@remove_gateway.step
async def shred_gateway_key(run: Run[RemoveCustomerGateway]) -> None:
    await people.shred(run, run[remove])
