"""What both versions' agents can be asked for, in words that are neither's.

A `Seen` is a guest as a host tells it; paths are those of `drivers.oraclevm.repo`. A session knows
nothing of a version but this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from drivers.contract.compute import (
    Adoption,
    Console,
    DiskAttachment,
    GuestSpec,
    HostFacts,
    HostStats,
    NicSpec,
    Power,
)
from drivers.oraclevm.repo import Layout, Repo


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """`ref` is what the agent calls it, `repo` the export where its definition lies."""

    ref: str
    repo: str
    name: str
    power: Power
    guest_id: UUID | None = None
    key: UUID | None = None
    cpu_count: int = 0
    memory_mib: int = 0
    disks: tuple[str, ...] = ()
    discs: tuple[str, ...] = ()
    nics: tuple[tuple[str, str], ...] = ()
    volumes: tuple[tuple[UUID, str], ...] = ()
    cpu_time_ns: int = 0
    network: tuple[int, int] = (0, 0)
    vnc: tuple[int, str] = field(default=(0, ""), repr=False)


class Dialect(Protocol):
    """One host's agent, spoken to in its version's words."""

    layout: Layout
    copies_on_host: bool

    async def facts(self) -> HostFacts: ...

    async def stats(self) -> HostStats: ...

    async def own_ip(self) -> str: ...

    async def members(self) -> tuple[str, ...]:
        """Addresses of the server pool's members; empty if the host is in none."""

    async def mount(self, repo: Repo) -> None:
        """Make the repository usable from this host. Refused: the host is another manager's."""

    async def seen(self) -> list[Seen]:
        """Every guest of this host but its own domain."""

    async def find(self, guest_id: UUID) -> Seen | None: ...

    async def start(self, spec: GuestSpec, disc: str, *, key: UUID) -> None:
        """Define the guest and run it. `disc` is a path of a config disc, or empty."""

    async def stop(self, guest: Seen) -> None:
        """Ask the guest to power off, and wait until it has."""

    async def cut(self, guest: Seen) -> None: ...

    async def reboot(self, guest: Seen, *, force: bool) -> None: ...

    async def undefine(self, guest_id: UUID) -> bool:
        """Leave no definition of a guest that does not run. False: it is another host's by now."""

    async def exports(self) -> tuple[str, ...]:
        """The repositories that this host has, as far as it tells."""

    async def using(self, path: str) -> list[Seen]:
        """The guests of this host, not those that are off, that have a disk or disc."""

    async def settle(self, guest: Seen) -> None:
        """A guest that came from another host is this one's."""

    async def migrate(self, guest: Seen, target: Dialect) -> None: ...

    async def pause(self, guest: Seen) -> None: ...

    async def unpause(self, guest: Seen) -> None: ...

    async def copy(self, source: str, target: str) -> None:
        """Copy a file between repositories, by the host; what is empty stays so."""

    async def plug_disk(self, guest: Seen, disk: DiskAttachment) -> None: ...

    async def unplug_disk(self, guest: Seen, volume_id: UUID) -> None: ...

    async def plug_nic(self, guest: Seen, nic: NicSpec) -> None: ...

    async def unplug_nic(self, guest: Seen, nic_id: UUID) -> None: ...

    async def adopt(self, guest: Seen, adoption: Adoption, *, key: UUID) -> None: ...

    async def disown(self, guest: Seen) -> None: ...

    async def guest_stats(self) -> list[Seen]: ...

    async def console(self, guest: Seen) -> Console: ...

    async def close(self) -> None: ...
