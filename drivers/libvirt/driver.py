"""Hosts that run QEMU or KVM under libvirt: `KVM` on the wire, also where QEMU emulates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivers.contract.compute import HostAddress
from drivers.contract.driver import Capabilities, Driver, HostSession
from drivers.libvirt.line import open_line
from drivers.libvirt.session import LibvirtSession
from drivers.libvirt.settings import Settings, read_settings
from drivers.libvirt.state import State

KIND = "KVM"


class LibvirtDriver:
    """Connects to hosts, and remembers the sessions so that it can close them."""

    kind = KIND
    capabilities = Capabilities(
        live_migration=True,
        storage_migration=True,
        disk_hot_plug=True,
        nic_hot_plug=True,
        snapshots=True,
        live_disk_move=True,
        guest_growth=True,
        adoption=True,
        guest_snapshots=True,
        disk_snapshots_alive=True,
        image_formats=("qcow2", "raw"),
    )

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._state = State(settings.state)
        self._sessions: set[LibvirtSession] = set()

    async def discover(self, address: HostAddress) -> tuple[HostAddress, ...]:
        """Libvirt speaks for one host."""
        return (address,)

    async def connect(self, address: HostAddress) -> HostSession:
        line = await open_line(address, self._settings, self._state)
        session = LibvirtSession(line, forget=self._sessions.discard)
        self._sessions.add(session)
        return session

    async def close(self) -> None:
        while self._sessions:
            await self._sessions.pop().close()


def make(settings: Mapping[str, Any]) -> Driver:
    """The driver, set up as `drivers.libvirt.settings.Settings` describes."""
    return LibvirtDriver(read_settings(settings))


def make_all(settings: Mapping[str, Any]) -> tuple[Driver, ...]:
    """What the engine asks for."""
    return (make(settings),)
