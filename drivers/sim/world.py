"""A whole data centre in memory: what its hosts and pools really hold, whoever looks.

The world knows nothing of controllers, faults or deadlines. It changes by rows, and each change
goes through `commit`: first the journal, then memory, so a journal that cannot be written leaves
the world as it was. Everything is a plain dict keyed by identity, and nothing exists per host but
one row, until a guest runs there.

The methods under "acts of nature" are for tests and for whoever rehearses a disaster.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from uuid import UUID

import msgspec
from msgspec.structs import replace

from drivers.contract.compute import DiskAttachment, NicSpec, Power
from drivers.contract.errors import Refused
from drivers.contract.hooks import HookEnd, HookStage
from drivers.sim.address import hardware_id, host_from_url, identity, pool_from_url
from drivers.sim.journal import Journal
from drivers.sim.keys import Keys
from drivers.sim.routed import Routed
from drivers.sim.rows import (
    ALIVE,
    Asked,
    Gone,
    HookRun,
    Row,
    SimDisk,
    SimGuest,
    SimHook,
    SimHost,
    SimLeases,
    SimPool,
    SimRouter,
)

HOOK_RUNS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Residue:
    """All that is left in the world, in a fixed order, strangers included."""

    guests: tuple[SimGuest, ...]
    disks: tuple[SimDisk, ...]

    @property
    def nics(self) -> tuple[NicSpec, ...]:
        return tuple(nic for guest in self.guests for nic in guest.nics)

    def __bool__(self) -> bool:
        return bool(self.guests or self.disks)


class SimWorld:
    """Hosts, guests, pools and disks. In memory alone, or with a journal that outlives us."""

    def __init__(self) -> None:
        self.hosts: dict[str, SimHost] = {}
        self.guests: dict[str, dict[str, SimGuest]] = {}
        self.pools: dict[str, SimPool] = {}
        self.disks: dict[str, dict[str, SimDisk]] = {}
        self.spent_bytes: dict[str, int] = {}
        # The config discs of guests. They may hold secrets, so no journal has them.
        self.configs: dict[UUID, dict[str, bytes]] = {}
        # How scripts of operators end by host and stage, and those that ran by their keys.
        self.hooks: dict[tuple[str, HookStage], SimHook] = {}
        self.hook_runs: dict[UUID, HookRun] = {}
        # The routers of each host by their ids.
        self.routers: dict[str, dict[UUID, Routed]] = {}
        self._keys = Keys()
        self._users: dict[UUID, set[tuple[str, str]]] = {}
        self._used_mib: dict[str, int] = {}
        self._journal: Journal | None = None

    @classmethod
    def open(cls, path: Path) -> Self:
        """The world as it was left in the journal at `path`, or a new one."""
        world, journal = cls(), Journal(path)
        try:
            for rows in journal.read():
                for row in rows:
                    world._apply(row)
            journal.begin(world.rows())
        except BaseException:
            journal.close()
            raise
        world._journal = journal
        return world

    def close(self) -> None:
        """Let go of the journal. A world that had one cannot change any more."""
        if self._journal is not None:
            self._journal.close()

    def commit(self, *rows: Row) -> None:
        """Make `rows` true together."""
        if self._journal is not None:
            self._journal.append(rows)
        for row in rows:
            self._apply(row)

    def ask(self, where: str, subject: UUID, key: UUID, verb: str) -> None:
        """Remember that `verb` is asked for under `key`; Refused if it comes too late for that.

        It is remembered before the verb has its effect: whoever dies in between asks again.
        """
        call = Asked(where, subject, key, verb)
        if self._keys.is_news(call):
            self.commit(call)

    def _apply(self, row: Row) -> None:
        match row:
            case SimGuest():
                ident = row.ident
                self._forget_guest(row.host, ident)
                self.guests.setdefault(row.host, {})[ident] = row
                if row.power in ALIVE:
                    self._used_mib[row.host] = self._used_mib.get(row.host, 0) + row.memory_mib
                    for disk in row.disks:
                        self._users.setdefault(disk.volume_id, set()).add((row.host, ident))
            case SimDisk():
                self._forget_disk(row.pool, row.file)
                self.disks.setdefault(row.pool, {})[row.file] = row
                self.spent_bytes[row.pool] = self.spent_bytes.get(row.pool, 0) + row.size_bytes
            case Gone(what="guest"):
                self._forget_guest(row.where, row.ident)
            case Gone(what="disk"):
                self._forget_disk(row.where, row.ident)
            case Gone(what="router"):
                self.routers.get(row.where, {}).pop(UUID(row.ident), None)
            case SimRouter():
                held = self.routers.setdefault(row.host, {})
                held.setdefault(row.spec.router_id, Routed(row.host, row.spec)).spec = row.spec
            case SimLeases():
                self.routers[row.host][row.router_id].take(row.change)
            case SimHost():
                self.hosts[row.url] = row
            case SimPool():
                self.pools[row.url] = row
            case Asked():
                self._keys.note(row)
            case SimHook():
                self.hooks[row.host, row.stage] = row
            case HookRun():
                self.hook_runs[row.key] = row
                if len(self.hook_runs) > HOOK_RUNS_MAX:
                    del self.hook_runs[next(iter(self.hook_runs))]

    def _forget_guest(self, host: str, ident: str) -> None:
        guests = self.guests.get(host, {})
        guest = guests.pop(ident, None)
        if guest is None:
            return
        if guest.power in ALIVE:
            self._used_mib[host] -= guest.memory_mib
        for disk in guest.disks:
            users = self._users.get(disk.volume_id, set())
            users.discard((host, ident))
            if not users:
                self._users.pop(disk.volume_id, None)
        if not guests:
            del self.guests[host]

    def _forget_disk(self, pool: str, file: str) -> None:
        disk = self.disks.get(pool, {}).pop(file, None)
        if disk is not None:
            self.spent_bytes[pool] -= disk.size_bytes

    # What there is.

    def host(self, url: str) -> SimHost:
        """The host behind `url`, which comes into being when somebody first asks for it.

        A machine that comes back under its URL with another size was rebuilt: its power and its
        line stay as they were.
        """
        asked = host_from_url(url)
        known = self.hosts.get(asked.url)
        if known is not None:
            if "?" not in url:
                return known
            asked = replace(asked, powered=known.powered, reachable=known.reachable)
        if asked != known:
            self.commit(asked)
        return self.hosts[asked.url]

    def pool(self, url: str) -> SimPool:
        """The pool behind `url`, which comes into being when somebody first asks for it."""
        asked = pool_from_url(url)
        known = self.pools.get(asked.url)
        if known is not None:
            if "?" not in url:
                return known
            asked = replace(known, capacity_bytes=asked.capacity_bytes)
        if asked != known:
            self.commit(asked)
        return self.pools[asked.url]

    def guest(self, host: str, guest_id: UUID) -> SimGuest | None:
        return self.guests.get(host, {}).get(str(guest_id))

    def where(self, guest_id: UUID) -> list[SimGuest]:
        """Every copy of a guest, wherever it is; a healthy world has one at most."""
        ident = str(guest_id)
        return [guests[ident] for guests in self.guests.values() if ident in guests]

    def users(self, volume_id: UUID) -> set[tuple[str, str]]:
        """Which living guests hold this disk, as pairs of host and guest."""
        return self._users.get(volume_id, set())

    def memory_used_mib(self, host: str) -> int:
        return self._used_mib.get(host, 0)

    def rows(self) -> Iterator[Row]:
        """The world as the shortest journal that leads to it."""
        yield from self.hosts.values()
        yield from self.pools.values()
        for disks in self.disks.values():
            yield from disks.values()
        for guests in self.guests.values():
            yield from guests.values()
        yield from self._keys
        yield from self.hooks.values()
        yield from self.hook_runs.values()
        for routers in self.routers.values():
            for router in routers.values():
                yield from router.rows()

    def residue(self) -> Residue:
        """All guests and disks there are, for a judge to compare with what the log says."""
        guests = (guest for held in self.guests.values() for guest in held.values())
        disks = (disk for held in self.disks.values() for disk in held.values())
        return Residue(
            guests=tuple(sorted(guests, key=lambda guest: (guest.host, guest.ident))),
            disks=tuple(sorted(disks, key=lambda disk: disk.path)),
        )

    def dump(self) -> bytes:
        """The world as bytes: two worlds are the same if and only if these are."""
        return b"\n".join(sorted(msgspec.json.encode(row) for row in self.rows()))

    # Acts of nature.

    def kill_guest(self, guest_id: UUID, *, power: Power = Power.OFF) -> None:
        """Let a guest die where it runs: by itself (`OFF`) or badly (`CRASHED`)."""
        for guest in self.where(guest_id):
            self.commit(replace(guest, power=power))

    def add_stranger(
        self,
        url: str,
        name: str,
        *,
        memory_mib: int = 512,
        disks: tuple[SimDisk, ...] = (),
        macs: tuple[str, ...] = (),
    ) -> SimGuest:
        """Run a guest that no controller made, from stray disks."""
        host = self.host(url)
        held = tuple(
            DiskAttachment(volume_id=hardware_id(disk.path), path=disk.path, device=device)
            for device, disk in enumerate(disks)
        )
        nics = tuple(NicSpec(nic_id=hardware_id(mac), mac=mac) for mac in macs)
        guest = SimGuest(host.url, name, None, Power.RUNNING, None, 1, memory_mib, 0.0, held, nics)
        self.commit(guest)
        return guest

    def add_stray_disk(self, url: str, file: str, *, size_bytes: int) -> SimDisk:
        """Leave a file in a pool that no controller made."""
        if "/" in file:
            raise Refused(f"{file} is not the name of a file in {identity(url)}")
        disk = SimDisk(self.pool(url).url, file, None, size_bytes)
        self.commit(disk)
        return disk

    def power_off_host(self, url: str) -> None:
        """Cut a host's power: guests and routers are gone, for they were only ever in memory."""
        host = replace(self.host(url), powered=False)
        lost = [Gone("guest", host.url, ident) for ident in self.guests.get(host.url, {})]
        lost += [Gone("router", host.url, str(one)) for one in self.routers.get(host.url, {})]
        self.commit(host, *lost)

    def power_on_host(self, url: str) -> None:
        """The host comes back, empty."""
        self.commit(replace(self.host(url), powered=True))

    def partition(self, *urls: str) -> None:
        """Cut hosts off from the controller; their guests run on."""
        self.commit(*(replace(self.host(url), reachable=False) for url in urls))

    def heal(self, *urls: str) -> None:
        """Undo `partition`, for these hosts or for all."""
        cut = [self.host(url) for url in urls] or list(self.hosts.values())
        self.commit(*(replace(host, reachable=True) for host in cut if not host.reachable))

    def set_hook(self, url: str, stage: HookStage, end: HookEnd, said: str = "") -> None:
        """Let an operator's script on a host end like this from now on."""
        self.commit(SimHook(self.host(url).url, stage, end, said))

    def set_pool_reachable(self, url: str, reachable: bool) -> None:
        """Cut a pool off from every host, or bring it back."""
        self.commit(replace(self.pool(url), reachable=reachable))
