"""The simulator in the place of every hypervisor: a rehearsal, which real hosts never hear of.

Hosts, pools and disks are called by the log what they were called in the world; here they have
names of the simulator's own, so that two pools with one URL on two machines stay two. Whatever
goes in is renamed, wherever in an argument it is; what is new is called as it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import msgspec

from drivers.contract.compute import HostAddress, HostFacts
from drivers.contract.driver import HostSession
from drivers.contract.storage import PoolFacts, PoolSpec
from drivers.sim.address import identity
from drivers.sim.driver import SimDriver, make_own
from drivers.sim.session import SimSession


class KnownHost(msgspec.Struct, frozen=True, kw_only=True):
    """What a host said of itself, beside its size."""

    name: str
    hardware_id: str
    hypervisor_version: str
    accelerated: bool
    capabilities: tuple[str, ...]
    detail: str


class KnownPool(msgspec.Struct, frozen=True, kw_only=True):
    """A pool's name here. `beside_bytes`: how much more of it is used than its disks can spend."""

    url: str
    capacity_bytes: int
    beside_bytes: int


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """What was there when the rehearsal began: hosts by URL, pools by id, disks by path."""

    hosts: dict[str, KnownHost]
    pools: dict[str, KnownPool]
    paths: dict[str, str]


def stand_ins(mark: Path, settings: Mapping[str, str], kinds: Iterable[str]) -> list[StandIn]:
    """One driver for each kind of hypervisor, with one simulated world behind all of them."""
    names = msgspec.json.decode(mark.read_bytes(), type=Names)
    world = make_own(settings)
    return [StandIn(kind, world, names) for kind in sorted(kinds)]


class StandIn:
    """Answers to a kind of hypervisor, and is the simulator."""

    def __init__(self, kind: str, world: SimDriver, names: Names) -> None:
        self.kind, self.capabilities = kind, world.capabilities
        self._world, self._names = world, names

    async def discover(self, address: HostAddress) -> tuple[HostAddress, ...]:
        return (address,)

    async def connect(self, address: HostAddress) -> HostSession:
        session = await self._world.connect(renamed(address, self._names))
        return cast(HostSession, StandInSession(session, self._names))

    async def close(self) -> None:
        await self._world.close()


class StandInSession:
    """A simulated host under its old name. Verbs are the simulator's own."""

    def __init__(self, session: SimSession, names: Names) -> None:
        self._session, self._names = session, names

    async def inspect(self) -> HostFacts:
        facts = await self._session.inspect()
        known = self._names.hosts.get(self._session.url)
        return (
            facts if known is None else dataclasses.replace(facts, **msgspec.structs.asdict(known))
        )

    async def open_pool(self, pool: PoolSpec) -> PoolFacts:
        return self._facts(pool, await self._session.open_pool(renamed(pool, self._names)))

    async def pool_facts(self, pool: PoolSpec) -> PoolFacts:
        return self._facts(pool, await self._session.pool_facts(renamed(pool, self._names)))

    def _facts(self, pool: PoolSpec, facts: PoolFacts) -> PoolFacts:
        known = self._names.pools.get(str(pool.pool_id))
        if known is None:
            return facts
        used_bytes = max(0, facts.used_bytes + known.beside_bytes)
        return PoolFacts(capacity_bytes=known.capacity_bytes, used_bytes=used_bytes)

    def __getattr__(self, verb: str) -> Any:
        found = getattr(self._session, verb)
        return partial(_call, found, self._names) if callable(found) else found


def _call(verb: Any, names: Names, *values: Any, **named: Any) -> Any:
    told = {name: renamed(value, names) for name, value in named.items()}
    return verb(*(renamed(value, names) for value in values), **told)


def renamed(value: Any, names: Names) -> Any:
    """A value with all that it names called as the simulator calls it."""
    match value:
        case str():
            return names.paths.get(value, value)
        case tuple():
            return tuple(renamed(one, names) for one in value)
        case HostAddress():
            ident = identity(value.url)
            return HostAddress(url=ident) if ident in names.hosts else value
        case PoolSpec():
            known = names.pools.get(str(value.pool_id))
            return value if known is None else dataclasses.replace(value, url=known.url)
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
            return dataclasses.replace(
                value, **{name: renamed(one, names) for name, one in fields.items()}
            )
    return value
