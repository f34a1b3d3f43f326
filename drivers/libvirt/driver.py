"""Hosts under libvirt: QEMU and KVM (`KVM` on the wire), containers (`LXC`), and Xen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivers.contract.compute import HostAddress
from drivers.contract.driver import Driver, HostSession
from drivers.libvirt.kinds import KINDS, KVM, Kind
from drivers.libvirt.line import open_line
from drivers.libvirt.plain import PlainSession
from drivers.libvirt.session import LibvirtSession
from drivers.libvirt.settings import Settings, read_settings
from drivers.libvirt.state import State


class LibvirtDriver:
    """Connects to hosts of one kind, and remembers the sessions so that it can close them."""

    def __init__(self, settings: Settings, kind: Kind = KVM) -> None:
        self.kind, self.capabilities = kind.name, kind.capabilities
        self._kind, self._settings = kind, settings
        self._state = State(settings.state)
        self._sessions: set[LibvirtSession] = set()

    async def discover(self, address: HostAddress) -> tuple[HostAddress, ...]:
        """Libvirt speaks for one host."""
        return (address,)

    async def connect(self, address: HostAddress) -> HostSession:
        line = await open_line(address, self._settings, self._state, self._kind.scheme)
        make_session = LibvirtSession if self._kind is KVM else PlainSession
        session = make_session(line, self._kind, forget=self._sessions.discard)
        self._sessions.add(session)
        return session

    async def close(self) -> None:
        while self._sessions:
            await self._sessions.pop().close()


def make(settings: Mapping[str, Any], kind: str = KVM.name) -> Driver:
    """The driver of a kind, set up as `drivers.libvirt.settings.Settings` describes."""
    return LibvirtDriver(read_settings(settings), KINDS[kind])


def make_all(settings: Mapping[str, Any]) -> tuple[Driver, ...]:
    """What the engine asks for: one for each kind."""
    return tuple(make(settings, kind) for kind in KINDS)
