"""The command line of a host at the end of SSH, and the tunnels that libvirt and consoles use.

A host's key is trusted when it is first seen and must be the same ever after (what OpenSSH calls
`StrictHostKeyChecking=accept-new`): `addHost` brings a password but no key to check.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import asyncssh

from drivers.contract.compute import HostAddress
from drivers.contract.errors import DriverError, Refused, Unavailable, Unknown
from drivers.libvirt.address import Route
from drivers.libvirt.shell import COMMAND_S, Output
from drivers.libvirt.state import State

KEEPALIVE_S = 5
CLOSE_S = 5.0
UPLOAD_BYTES = 1 << 18
# OpenSSH takes ten sessions over a connection (MaxSessions); two are left to who looks by hand.
COMMANDS_MAX = 8
LOST = (asyncssh.ConnectionLost, asyncssh.DisconnectError, asyncssh.ChannelOpenError, OSError)


class HostKeys:
    """The keys that hosts showed at first sight."""

    def __init__(self, state: State) -> None:
        self._state = state

    def accepts(self, host: str, port: int, key: asyncssh.SSHKey) -> bool:
        name, shown = f"{host}:{port}", key.export_public_key().decode().strip()
        known = self._state.get("ssh_host_keys", name)
        if known is None:
            self._state.put("ssh_host_keys", name, shown)
        return known in (None, shown)


class _Checker(asyncssh.SSHClient):
    def __init__(self, keys: HostKeys) -> None:
        self._keys = keys

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        return self._keys.accepts(host, port, key)


class SshShell:
    """One SSH connection, opened when it is needed and again when it was lost."""

    def __init__(
        self, route: Route, address: HostAddress, keys: HostKeys, *, connect_s: float
    ) -> None:
        self._route = route
        self._address = address
        self._keys = keys
        self._connect_s = connect_s
        self._connection: asyncssh.SSHClientConnection | None = None
        self._ports: dict[int, int] = {}
        self._folder: str | None = None
        self._forwards_socket = False
        self._opening = asyncio.Lock()
        self._room = asyncio.Semaphore(COMMANDS_MAX)

    async def run(self, *argv: str, timeout_s: float = COMMAND_S) -> Output:
        connection = await self._connected()
        line = f"LC_ALL=C {shlex.join(argv)}"
        try:
            async with self._room, asyncio.timeout(timeout_s):
                done = await _ended(connection, line)
        except asyncssh.ChannelOpenError as error:
            raise Unavailable(f"{argv[0]} on {self._route}: not begun: {error}") from error
        except TimeoutError:
            text = f"{argv[0]} on {self._route} was not over after {timeout_s:g} s"
            raise Unknown(text) from None
        except LOST as error:
            raise Unknown(f"{argv[0]} on {self._route}: cut off: {error}") from error
        code = done.returncode if done.returncode is not None else -1
        return Output(code, str(done.stdout or ""), str(done.stderr or ""))

    async def reach(self, path: str, scratch: str, *, timeout_s: float) -> str:
        """Copy the file over; `cat` writes it, so a host needs no SFTP server."""
        connection = await self._connected()
        try:
            async with self._room, asyncio.timeout(timeout_s):
                await self._upload(connection, path, scratch)
        except TimeoutError:
            raise Unavailable(f"{path}: not copied to {self._route} in {timeout_s:g} s") from None
        except LOST as error:
            raise Unavailable(f"{path}: not copied to {self._route}: {error}") from error
        return scratch

    async def _upload(
        self, connection: asyncssh.SSHClientConnection, path: str, scratch: str
    ) -> None:
        command = f"cat >{shlex.quote(scratch)}"
        async with connection.create_process(command, encoding=None) as process:
            with await asyncio.to_thread(Path(path).open, "rb") as file:
                while chunk := await asyncio.to_thread(file.read, UPLOAD_BYTES):
                    process.stdin.write(chunk)
                    await process.stdin.drain()
            process.stdin.write_eof()
            done = await process.wait()
        if done.returncode:
            raise OSError(f"cat ended with {done.returncode}: {done.stderr!r}")

    async def fetch(self, path: str, target: str, *, timeout_s: float) -> None:
        """Copy the file here, and remove it there once it is here as a whole."""
        connection = await self._connected()
        part = f"{target}.part"
        try:
            async with self._room, asyncio.timeout(timeout_s):
                await self._download(connection, path, part)
        except TimeoutError:
            raise Unavailable(f"{path}: not copied from {self._route} in {timeout_s:g} s") from None
        except LOST as error:
            raise Unavailable(f"{path}: not copied from {self._route}: {error}") from error
        await asyncio.to_thread(os.replace, part, target)
        await self.run("rm", "-f", "--", path)

    async def _download(
        self, connection: asyncssh.SSHClientConnection, path: str, part: str
    ) -> None:
        command = f"cat <{shlex.quote(path)}"
        async with connection.create_process(command, encoding=None) as process:
            with await asyncio.to_thread(Path(part).open, "wb") as file:
                while chunk := await process.stdout.read(UPLOAD_BYTES):
                    await asyncio.to_thread(file.write, chunk)
            done = await process.wait()
        if done.returncode:
            raise OSError(f"cat ended with {done.returncode}: {done.stderr!r}")

    async def forward_port(self, port: int) -> tuple[str, int]:
        connection = await self._connected()
        if port not in self._ports:
            listener = await connection.forward_local_port("127.0.0.1", 0, "127.0.0.1", port)
            self._ports[port] = listener.get_port()
        return "127.0.0.1", self._ports[port]

    async def forward_socket(self, remote: str) -> str:
        """Make a Unix socket of the host appear here, in a folder that only we may enter."""
        connection = await self._connected()
        if self._folder is None:
            self._folder = await asyncio.to_thread(tempfile.mkdtemp, prefix="sagastack-ssh-")
        local = f"{self._folder}/socket"
        if not self._forwards_socket:
            await asyncio.to_thread(Path(local).unlink, missing_ok=True)
            await connection.forward_local_path(local, remote)
            self._forwards_socket = True
        return local

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await self._connection.wait_closed()
            self._connection = None
        if self._folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
            self._folder = None

    async def _connected(self) -> asyncssh.SSHClientConnection:
        async with self._opening:
            if self._connection is None or self._connection.is_closed():
                self._ports.clear()
                self._forwards_socket = False
                self._connection = await self._open()
            return self._connection

    async def _open(self) -> asyncssh.SSHClientConnection:
        route, address = self._route, self._address
        where = f"ssh {route.username}@{route.host}:{route.ssh_port}"
        given = address.password or address.private_key
        try:
            own = [asyncssh.import_private_key(address.private_key)] if address.private_key else []
            async with asyncio.timeout(self._connect_s):
                return await asyncssh.connect(
                    route.host,
                    route.ssh_port,
                    username=route.username,
                    password=address.password or None,
                    client_keys=own if given else (),
                    known_hosts=([], [], []),
                    client_factory=lambda: _Checker(self._keys),
                    keepalive_interval=KEEPALIVE_S,
                    config=None,
                )
        except (TimeoutError, OSError, asyncssh.Error, asyncssh.KeyImportError) as error:
            raise _of_connect(error, where) from error


async def _ended(
    connection: asyncssh.SSHClientConnection, line: str
) -> asyncssh.SSHCompletedProcess:
    """A command that nobody waits for any more is killed, with all that it began, as one here is.

    SSH itself would let it go on, and do what was undone meanwhile.
    """
    process = await connection.create_process(line, stdin=asyncssh.DEVNULL, errors="replace")
    try:
        return await process.wait()
    except BaseException:
        with suppress(OSError):  # Over already, or the line is.
            process.kill()
        raise
    finally:
        process.close()


def _of_connect(error: Exception, where: str) -> DriverError:
    match error:
        case asyncssh.PermissionDenied():
            return Refused(f"{where}: the host takes neither this password nor this key")
        case asyncssh.HostKeyNotVerifiable():
            return Refused(f"{where}: shows another host key than the first time: who is it?")
        case asyncssh.KeyImportError():
            return Refused(f"{where}: the private key cannot be read: {error}")
        case TimeoutError():
            return Unavailable(f"{where}: no answer")
    return Unavailable(f"{where}: {error}")
