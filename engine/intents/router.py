"""What may be asked of a router and of a system virtual machine."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from engine.intents.ending import PEOPLE, ending


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveRouter:
    """Bring a router from one of the states `allowed` to `state`; running, since `at_ms`."""

    id: UUID
    state: str
    allowed: tuple[str, ...]
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DestroyRouter:
    """End a router. Its network gets another when it is restarted or its next guest starts."""

    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveSystemVm:
    """Bring a system virtual machine from one of the states `allowed` to `state`."""

    id: UUID
    state: str
    allowed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrateSystemVm:
    """Place a running one on another host of its zone."""

    id: UUID
    host_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceSystemVm:
    """End a system virtual machine; its zone gets another, `next_id`, at once."""

    id: UUID
    next_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizeSystemGuest:
    """Give a stopped router or system virtual machine another offering of its kind."""

    kind: str
    id: UUID
    service_offering_id: UUID


# By then its network or VPC is gone, and took it along.
ending("router", lambda router: DestroyRouter(id=router.id), turn=PEOPLE)
