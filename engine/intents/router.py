"""What may be asked of a router and of a system virtual machine."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from engine.intents.ending import PEOPLE, ending


class MoveRouter(Struct, frozen=True, kw_only=True):
    """Bring a router from one of the states `allowed` to `state`; running, since `at_ms`."""

    id: UUID
    state: str
    allowed: tuple[str, ...]
    at_ms: int


class DestroyRouter(Struct, frozen=True, kw_only=True):
    """End a router. Its network gets another when it is restarted or its next guest starts."""

    id: UUID


class PlaceRouter(Struct, frozen=True, kw_only=True):
    """Let a router run on this host from now on; `place_id` records that it may be there."""

    id: UUID
    host_id: UUID
    place_id: UUID


class LeavePlace(Struct, frozen=True, kw_only=True):
    """Nothing of a router is left on a host."""

    id: UUID


class TellRouter(Struct, frozen=True, kw_only=True):
    """What keeps a router from being all that it should be, as of now; empty for nothing."""

    id: UUID
    trouble: str
    at_ms: int


class MoveSystemVm(Struct, frozen=True, kw_only=True):
    """Bring a system virtual machine from one of the states `allowed` to `state`."""

    id: UUID
    state: str
    allowed: tuple[str, ...]


class MigrateSystemVm(Struct, frozen=True, kw_only=True):
    """Place a running one on another host of its zone."""

    id: UUID
    host_id: UUID


class ReplaceSystemVm(Struct, frozen=True, kw_only=True):
    """End a system virtual machine; its zone gets another, `next_id`, at once."""

    id: UUID
    next_id: UUID


class ResizeSystemGuest(Struct, frozen=True, kw_only=True):
    """Give a stopped router or system virtual machine another offering of its kind."""

    kind: str
    id: UUID
    service_offering_id: UUID


# By then its network or VPC is gone, and took it along.
ending("router", lambda router: DestroyRouter(id=router.id), turn=PEOPLE)
