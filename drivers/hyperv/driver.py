"""Hyper-V hosts, alone or as nodes of a failover cluster: `Hyperv` on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from drivers.contract.compute import HostAddress
from drivers.contract.driver import Capabilities, Driver, HostSession
from drivers.contract.errors import Refused
from drivers.hyperv import cluster
from drivers.hyperv.address import at_node, read_address
from drivers.hyperv.client import Client
from drivers.hyperv.session import NO_HOOKS, HypervSession

KIND = "Hyperv"


@dataclass(frozen=True, slots=True)
class Settings:
    """How long things may take: to connect, a plain order, a copy, a move."""

    connect_s: float = 15.0
    verb_s: float = 120.0
    image_s: float = 4 * 3600.0
    move_s: float = 4 * 3600.0


class HypervDriver:
    kind = KIND
    capabilities = Capabilities(
        live_migration=True,
        storage_migration=True,
        disk_hot_plug=True,
        nic_hot_plug=True,
        guest_growth=True,
        adoption=True,
        guest_snapshots=True,
        disk_snapshots_alive=True,
        snapshots=True,
        live_disk_move=True,
        image_formats=("vhdx", "vhd"),
        pool_types=MappingProxyType({"smb": "SMB", "file": "Filesystem"}),
        cannot=MappingProxyType({"run_hook": NO_HOOKS}),
    )

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sessions: set[HypervSession] = set()

    async def discover(self, address: HostAddress) -> tuple[HostAddress, ...]:
        """A node of a failover cluster stands for all of its nodes."""
        client = await self._client(address)
        try:
            names = await cluster.nodes(client)
        finally:
            await client.close()
        route = read_address(address)
        return tuple(at_node(address, route, name) for name in names) or (address,)

    async def connect(self, address: HostAddress) -> HostSession:
        client = await self._client(address)
        session = HypervSession(
            client, self._settings, connect=self._beside, forget=self._sessions.discard
        )
        self._sessions.add(session)
        return session

    async def close(self) -> None:
        while self._sessions:
            await self._sessions.pop().close()

    async def _beside(self, address: HostAddress) -> HypervSession:
        """A session with the host that a guest moves to, closed by whoever asked for it."""
        client = await self._client(address)
        return HypervSession(
            client, self._settings, connect=self._beside, forget=self._sessions.discard
        )

    async def _client(self, address: HostAddress) -> Client:
        settings = self._settings
        client = Client(
            read_address(address),
            address.username,
            address.password,
            connect_s=settings.connect_s,
            verb_s=settings.verb_s,
        )
        try:
            await client.open()
        except BaseException:
            await client.close()
            raise
        return client


def make(settings: Mapping[str, Any]) -> Driver:
    """The driver; a setting is one of `Settings`, in seconds. Others are the controller's."""
    known = {name: settings[name] for name in Settings.__slots__ if name in settings}
    try:
        return HypervDriver(Settings(**{name: float(value) for name, value in known.items()}))
    except ValueError as error:
        raise Refused(f"settings of the Hyper-V driver: {error}: give seconds") from error


def make_all(settings: Mapping[str, Any]) -> tuple[Driver, ...]:
    return (make(settings),)
