"""An SSH server for one of the private libvirt hosts, on loopback, in this process.

The protocol, the authentication and the forwarding are real; commands run inside the host's own
namespaces, and `/run/libvirt` is the host's. It offers no SFTP, as a bare host may not.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import asyncssh

from tests.peers.libvirt import LibvirtHost

PASSWORD = "correct horse"
CHUNK_BYTES = 1 << 16
Carrier = Callable[[asyncssh.SSHReader[bytes], asyncssh.SSHWriter[bytes]], Awaitable[None]]
# Joins standard input and output to a port, from inside the host's network namespace.
DIAL = """
import socket, sys, threading
line = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def out():
    while chunk := line.recv(65536):
        sys.stdout.buffer.write(chunk); sys.stdout.buffer.flush()
threading.Thread(target=out, daemon=True).start()
while chunk := sys.stdin.buffer.raw.read(65536):
    line.sendall(chunk)
"""


@dataclass
class SshHost:
    """A running server. `commands` is what was run; `cut` drops every line."""

    port: int = 0
    user_key: asyncssh.SSHKey = field(
        default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519")
    )
    commands: list[str] = field(default_factory=list)
    lines: set[asyncssh.SSHServerConnection] = field(default_factory=set)

    @property
    def private_key(self) -> str:
        return self.user_key.export_private_key().decode()

    def cut(self) -> None:
        for line in list(self.lines):
            line.abort()


class _Server(asyncssh.SSHServer):
    def __init__(self, host: LibvirtHost, state: SshHost) -> None:
        self._host = host
        self._state = state
        self._line: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._line = conn
        self._state.lines.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._line is not None:
            self._state.lines.discard(self._line)

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("root", PASSWORD)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key == self._state.user_key.convert_to_public()

    def unix_connection_requested(self, dest_path: str) -> Carrier:
        async def carry(
            reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]
        ) -> None:
            path = f"/proc/{self._host.pid}/root{dest_path}"
            far_reader, far_writer = await asyncio.open_unix_connection(path)
            await _join(reader, writer, far_reader, far_writer)

        return carry

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Carrier:
        async def carry(
            reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]
        ) -> None:
            dial = await _inside(self._host, sys.executable, "-c", DIAL, str(dest_port))
            assert dial.stdin is not None
            assert dial.stdout is not None
            try:
                await _join(reader, writer, dial.stdout, dial.stdin)
            finally:
                with suppress(ProcessLookupError):
                    dial.kill()
                await dial.wait()

        return carry


@asynccontextmanager
async def ssh_host(host: LibvirtHost) -> AsyncIterator[SshHost]:
    """Serve `host` until the block ends."""
    state = SshHost()

    async def handle(process: asyncssh.SSHServerProcess[bytes]) -> None:
        command = process.command or "true"
        state.commands.append(command)
        child = await _inside(host, "sh", "-c", command)
        try:
            async with asyncio.TaskGroup() as group:
                feeding = group.create_task(_feed(process.stdin, child))
                async with asyncio.TaskGroup() as ends:
                    ends.create_task(_drain(child.stdout, process.stdout))
                    ends.create_task(_drain(child.stderr, process.stderr))
                feeding.cancel()
            process.exit(await child.wait())
        finally:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()

    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=lambda: _Server(host, state),
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        process_factory=handle,
        encoding=None,
    )
    state.port = server.get_port()
    try:
        yield state
    finally:
        state.cut()
        server.close()
        await server.wait_closed()


async def _inside(host: LibvirtHost, *argv: str) -> asyncio.subprocess.Process:
    spaces = ("--mount", "--uts", "--net", "--pid", "--target", str(host.pid))
    return await asyncio.create_subprocess_exec(
        *("nsenter", *spaces, *argv),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def _feed(given: asyncssh.SSHReader[bytes], child: asyncio.subprocess.Process) -> None:
    assert child.stdin is not None
    with suppress(OSError, asyncssh.Error):
        while chunk := await given.read(CHUNK_BYTES):
            child.stdin.write(chunk)
            await child.stdin.drain()
        child.stdin.close()


async def _drain(said: asyncio.StreamReader | None, writer: asyncssh.SSHWriter[bytes]) -> None:
    """All of it, before the exit status goes out: a client may stop listening then."""
    assert said is not None
    with suppress(OSError, asyncssh.Error):
        while chunk := await said.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()


async def _join(
    reader: asyncssh.SSHReader[bytes],
    writer: asyncssh.SSHWriter[bytes],
    far_reader: asyncio.StreamReader,
    far_writer: asyncio.StreamWriter,
) -> None:
    async def there() -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            far_writer.write(chunk)
            await far_writer.drain()
        far_writer.close()

    async def back() -> None:
        while chunk := await far_reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
        writer.close()

    with suppress(OSError, asyncssh.Error):
        async with asyncio.TaskGroup() as group:
            group.create_task(there())
            group.create_task(back())
