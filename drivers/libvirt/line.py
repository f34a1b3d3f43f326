"""The way to one host: libvirt's connection and the command line, over the same route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from drivers.contract.compute import HostAddress
from drivers.contract.errors import Refused
from drivers.libvirt.address import Route, Transport, read_address
from drivers.libvirt.client import Client
from drivers.libvirt.settings import Settings
from drivers.libvirt.shell import LocalShell, Shell
from drivers.libvirt.ssh import HostKeys, SshShell
from drivers.libvirt.state import State

SOCKETS = ("/run/libvirt/libvirt-sock", "/run/libvirt/virt{}d-sock")
PICK_SOCKET = 'for one in "$@"; do [ -S "$one" ] && { echo "$one"; exit; }; done'


@dataclass(frozen=True, slots=True)
class Line:
    """One host, reached. `to` opens another with the same settings."""

    route: Route
    settings: Settings
    state: State
    shell: Shell
    client: Client
    scheme: str = "qemu"

    async def to(self, target: HostAddress) -> Line:
        return await open_line(target, self.settings, self.state, self.scheme)

    async def close(self) -> None:
        await self.client.close()
        await self.shell.close()


async def open_line(
    address: HostAddress, settings: Settings, state: State, scheme: str = "qemu"
) -> Line:
    """Reach a host now. Refused: wrong URL or credentials. Unavailable: no answer."""
    route = read_address(address, scheme)
    async with AsyncExitStack() as undo:
        shell = _shell(route, address, settings, state)
        undo.push_async_callback(shell.close)
        client = Client(
            _dialler(route, shell, scheme),
            name=str(route),
            credentials=(address.username, address.password),
            threads=settings.threads,
            connect_s=settings.connect_s,
            verb_s=settings.verb_s,
            silence_s=settings.silence_s,
        )
        undo.push_async_callback(client.close)
        await client.open()
        undo.pop_all()
    return Line(route, settings, state, shell, client, scheme)


def _shell(route: Route, address: HostAddress, settings: Settings, state: State) -> Shell:
    local = route.transport is Transport.LOCAL
    if local or (route.transport is Transport.NATIVE and route.host in settings.local_hosts):
        return LocalShell()
    return SshShell(route, address, HostKeys(state), connect_s=settings.connect_s)


def _dialler(route: Route, shell: Shell, scheme: str) -> Callable[[], Awaitable[str]]:
    """How libvirt's URI comes about: as it is, or through a tunnel made for the occasion."""
    if not isinstance(shell, SshShell) or route.transport is not Transport.SSH:
        return _constant(route.uri)

    async def tunnel() -> str:
        candidates = (route.socket,) if route.socket else (one.format(scheme) for one in SOCKETS)
        done = await shell.run("sh", "-c", PICK_SOCKET, "sh", *candidates)
        remote = done.stdout.strip()
        if not remote:
            raise Refused(f"{route} has no libvirt socket: is libvirtd installed and running?")
        return f"{scheme}+unix:///system?socket={await shell.forward_socket(remote)}"

    return tunnel


def _constant(uri: str) -> Callable[[], Awaitable[str]]:
    async def same() -> str:
        return uri

    return same
