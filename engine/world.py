"""Everything a saga step may touch, gathered once at start-up and typed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from drivers.contract.compute import HostAddress, Stranger
from drivers.contract.driver import Capabilities, HostSession
from drivers.contract.storage import PoolSpec
from engine.allocator import Allocator
from engine.clock import Clock
from engine.intents import By, Job
from engine.vault import Vault
from projections.cloud import Cloud


class Hosts(Protocol):
    """Connected hosts by the controller's ids."""

    async def session(self, host_id: UUID) -> HostSession:
        """The host, connected; `Unavailable` while it cannot be reached."""

    async def with_pool(self, pool_id: UUID) -> tuple[HostSession, PoolSpec]:
        """Some connected host that reaches the pool, and the pool as drivers name it."""

    async def drop(self, host_id: UUID) -> None:
        """Forget a connection, so that the next session is a new one. Guests are not touched."""

    async def discover(self, hypervisor: str, address: HostAddress) -> tuple[HostAddress, ...]:
        """The hosts that an address stands for: one, or those of a cluster, a pool, a region."""

    async def survey(self, hypervisor: str, address: HostAddress) -> list[Stranger]:
        """The guests of a host that need not be here which no controller made."""

    def kinds(self) -> list[str]:
        """Every kind that can be driven."""

    def kind(self, hypervisor: str) -> str:
        """The name of a kind of hypervisor as the wire spells it; `Invalid` without a driver."""

    def capabilities(self, hypervisor: str) -> Capabilities:
        """What this kind of hypervisor can do."""

    async def address(self, host_id: UUID) -> HostAddress:
        """How another host of its kind reaches this one."""


class Children(Protocol):
    """Sagas that a saga starts: under an id of its choosing, so that a retry finds the same one."""

    async def submit(self, ask: object, by: By, *, run_id: UUID | None = None) -> Job: ...
    async def decide(self, ask: object, by: By) -> Any: ...
    async def outcome(self, run_id: UUID) -> str:
        """Empty once the run has succeeded; what went wrong if it did not."""


@dataclass(slots=True)
class World:
    cloud: Cloud
    allocator: Allocator
    hosts: Hosts
    vault: Vault
    clock: Clock
    home: Path
    children: Children
