"""Oracle VM 2.x and 3.x on the wire: `Ovm` and `Ovm3`. One agent for each host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from drivers.contract.compute import HostAddress
from drivers.contract.driver import Capabilities, Driver, HostSession
from drivers.oraclevm.address import chosen_pins, read
from drivers.oraclevm.client import Agent
from drivers.oraclevm.dialect import Dialect
from drivers.oraclevm.ovm2 import Ovm2
from drivers.oraclevm.ovm3 import Ovm3
from drivers.oraclevm.repo import chosen_mounts
from drivers.oraclevm.session import OracleSession

# Who hosts are owned by, if the settings do not say: the same for every controller of a cloud.
MANAGER = "5a6a5a7ac10b4372a5670e02b2c3d479"
POOLS = {"nfs": "NetworkFilesystem"}

BOTH = {
    "uefi": "the agents start guests by BIOS only",
    "secure_boot": "the agents start guests by BIOS only",
    "disk_limits": "an agent sets no limit on what a guest does with a disk",
    "limit_disk": "an agent sets no limit on what a guest does with a disk",
    "guest_growth": "an agent changes the cores and the memory of a guest only while it is off",
    "grow_guest": "an agent changes the cores and the memory of a guest only while it is off",
    "storage_migration": "an agent moves a guest between hosts that share its disks, and no disk",
    "live_disk_move": "an agent does not move the disk of a guest that runs",
    "move_disk": "an agent does not move the disk of a guest that runs",
    "guest_snapshots": "an agent keeps no moment of a guest with all of its disks",
    "disk_snapshots_alive": "an agent keeps no moment of a guest with all of its disks",
    "snapshot_guest": "an agent keeps no moment of a guest with all of its disks",
    "revert_guest": "an agent keeps no moment of a guest with all of its disks",
    "forget_snapshot": "an agent keeps no moment of a guest with all of its disks",
    "run_hook": "an agent runs no script of an operator",
}
NO_PLUG = "an agent of Oracle VM 2.x plugs nothing into a guest that runs, but discs into its drive"
NO_NAME = "a guest of Oracle VM 2.x is known by its name alone, which cannot be changed"
NO_COPY = "an agent of Oracle VM 2.x neither pauses a guest nor copies a disk that it uses"
ONLY_2 = {
    "disk_hot_plug": NO_PLUG,
    "nic_hot_plug": NO_PLUG,
    "attach_nic": NO_PLUG,
    "detach_nic": NO_PLUG,
    "adoption": NO_NAME,
    "survey_strangers": NO_NAME,
    "adopt_guest": NO_NAME,
    "disown_guest": NO_NAME,
    "adopt_disk": NO_NAME,
    "disown_disk": NO_NAME,
    "snapshots": NO_COPY,
}


class OracleDriver:
    """Hosts of one version."""

    def __init__(
        self, kind: str, scheme: str, capabilities: Capabilities, settings: Mapping[str, str]
    ) -> None:
        self.kind, self.capabilities = kind, capabilities
        self._scheme = scheme
        self._mounts = chosen_mounts(settings.get("mounts", ""))
        self._manager = settings.get("manager", "") or MANAGER
        self._pins = chosen_pins(settings.get("pins", ""))
        self._sessions: set[OracleSession] = set()

    def _reach(self, address: HostAddress) -> Dialect:
        place = read(address.url, self._scheme, self._pins)
        agent = Agent(place, address.username, address.password)
        if self._scheme == "ovm3":
            return Ovm3(agent, self._manager)
        return Ovm2(agent, self._mounts)

    async def discover(self, address: HostAddress) -> tuple[HostAddress, ...]:
        """The members of the host's server pool; a host that is in none stands for itself."""
        place = read(address.url, self._scheme)
        dialect = self._reach(address)
        try:
            own_ip = await dialect.own_ip()
            members = () if place.said("alone") else await dialect.members()
        finally:
            await dialect.close()
        others = (replace(address, url=place.member(ip)) for ip in members if ip != own_ip)
        return (address, *others)

    async def connect(self, address: HostAddress) -> HostSession:
        dialect = self._reach(address)
        session = OracleSession(
            dialect, self._mounts, self.capabilities.cannot, self._reach, self._sessions.discard
        )
        try:
            await session.inspect()
        except BaseException:
            await dialect.close()
            raise
        self._sessions.add(session)
        return session

    async def close(self) -> None:
        while self._sessions:
            await self._sessions.pop().close()


def make_all(settings: Mapping[str, str]) -> tuple[Driver, ...]:
    """Both kinds, set up alike.

    `mounts`: where the controller has exports (`server:/export@/folder ...`); `manager`: who owns
    3.x hosts; `pins`: certificates of hosts (`address@sha256:<hex> ...`).
    """
    two = Capabilities(
        live_migration=True, image_formats=("raw",), pool_types=POOLS, cannot={**BOTH, **ONLY_2}
    )
    three = Capabilities(
        live_migration=True,
        disk_hot_plug=True,
        nic_hot_plug=True,
        adoption=True,
        snapshots=True,
        image_formats=("raw",),
        pool_types=POOLS,
        cannot=BOTH,
    )
    return (
        OracleDriver("Ovm", "ovm", two, settings),
        OracleDriver("Ovm3", "ovm3", three, settings),
    )
