"""What may be asked of webhooks and their deliveries."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from engine.intents.ending import GUESTS, ending


class SendWebhook(Struct, frozen=True, kw_only=True):
    """What is to be sent, and where to. `secret` is plain, and so never part of an event."""

    url: str
    payload: str
    event_id: UUID
    event_type: str
    account_id: UUID
    secret: str = ""
    ssl_verification: bool = True


class Sent(Struct, frozen=True, kw_only=True):
    """How it went. `headers` are those that were sent, without the signature."""

    success: bool
    response: str
    headers: str
    started_at_ms: int
    ended_at_ms: int
    attempts: int = 1


class Delivered(Struct, frozen=True, kw_only=True):
    """A delivery that is over, and the position of its event."""

    id: UUID
    position: int
    event_id: UUID
    event_type: str
    payload: str
    sent: Sent


class RecordDeliveries(Struct, frozen=True, kw_only=True):
    """Remember deliveries, and that everything up to `position` is dealt with.

    What another has remembered already is left out; of a webhook's, the latest `kept` stay.
    """

    webhook_id: UUID
    position: int
    deliveries: tuple[Delivered, ...]
    kept: int


class ForgetDeliveries(Struct, frozen=True, kw_only=True):
    """Take deliveries out of the lists; those that are gone already do no harm."""

    ids: tuple[UUID, ...]


class DeleteWebhook(Struct, frozen=True, kw_only=True):
    """Forget a webhook with its deliveries, and shred its secret."""

    id: UUID


# Before what its account is told of: an end that nobody is told of fails nowhere.
ending("webhook", lambda hook: DeleteWebhook(id=hook.id), turn=GUESTS)
