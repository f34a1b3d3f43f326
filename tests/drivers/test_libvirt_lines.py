"""Lines to hosts that are slow or given up: nothing of ours stays behind, here or there."""

from __future__ import annotations

import asyncio
import os
import signal as signals
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncssh
import libvirt
import pytest

from drivers.contract.compute import HostAddress
from drivers.contract.errors import Unavailable, Unknown
from drivers.libvirt.address import Route, Transport
from drivers.libvirt.client import Client
from drivers.libvirt.ssh import HostKeys, SshShell
from drivers.libvirt.state import State

SESSIONS_MAX = 10


class Far:
    """A connection to a libvirt that answers when it is let."""

    def __init__(self) -> None:
        self.events: set[int] = set()
        self.is_open = True

    def setKeepAlive(self, *_: int) -> None: ...

    def isAlive(self) -> bool:
        return True

    def domainEventRegisterAny(self, _: object, event: int, *more: object) -> int:
        self.events.add(event)
        return event

    def domainEventDeregisterAny(self, callback: int) -> None:
        self.events.discard(callback)

    def close(self) -> None:
        self.is_open = False


class Host:
    """How `libvirt.openAuth` reaches it: each line that was opened is kept."""

    def __init__(self) -> None:
        self.lines: list[Far] = []
        self.answers = threading.Event()
        self.answers.set()

    def open(self, *_: object) -> Far:
        self.answers.wait(10)
        self.lines.append(Far())
        return self.lines[-1]

    def slow(self, _: Any) -> bool:
        self.answers.wait(10)
        return True

    @property
    def open_lines(self) -> list[Far]:
        return [one for one in self.lines if one.is_open or one.events]


@pytest.fixture
async def host(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Host]:
    made = Host()
    monkeypatch.setattr(libvirt, "openAuth", made.open)
    yield made
    made.answers.set()


async def uri() -> str:
    return "far:///"


def client(**more: float) -> Client:
    asked: dict[str, Any] = {"threads": 2, "connect_s": 0.2, "verb_s": 0.2} | more
    return Client(uri, name="far", **asked)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 (threads tell nobody here when they end)
            await asyncio.sleep(0.01)


async def test_a_connection_that_comes_too_late_is_hung_up(host: Host) -> None:
    """A host that is slow for an hour keeps no client of ours for each try."""
    one = client()
    host.answers.clear()
    for _ in range(2):
        with pytest.raises(Unavailable, match="no answer within"):
            await one.read(host.slow, doing="look")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await one.open()
    host.answers.set()
    await until(lambda: len(host.lines) == 3 and not host.open_lines)
    assert await one.read(host.slow, doing="look")
    assert len(host.open_lines) == 1
    await one.close()
    assert not host.open_lines


async def test_a_line_that_was_given_up_is_hung_up_when_its_calls_have_ended(host: Host) -> None:
    """And not under a call that libvirt still carries."""
    one = client()
    await one.open()
    host.answers.clear()
    with pytest.raises(Unknown, match="no answer within"):
        await one.change(host.slow, about=uuid4(), doing="change")
    assert host.lines[0].is_open
    host.answers.set()
    await until(lambda: not host.open_lines)
    assert await one.read(host.slow, doing="look")
    assert len(host.open_lines) == 1
    await one.close()


# ---- the command line at the end of SSH ------------------------------------------------------


class Sshd(asyncssh.SSHServer):
    """As OpenSSH: a few sessions a connection, and a signal goes to all that a command began."""

    sessions = 0

    def begin_auth(self, username: str) -> bool:
        return False

    def session_requested(self) -> Any:
        if Sshd.sessions >= SESSIONS_MAX:
            return False
        Sshd.sessions += 1
        return Session(serve, None, 3, False)


class Session(asyncssh.SSHServerProcess[str]):
    group = 0

    def signal_received(self, signal: str) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.group, getattr(signals, f"SIG{signal}"))


async def serve(process: asyncssh.SSHServerProcess[str]) -> None:
    assert isinstance(process, Session)
    child = await asyncio.create_subprocess_exec(
        "sh", "-c", process.command or "true", start_new_session=True,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    process.group = child.pid
    try:
        out, _ = await child.communicate()
        process.stdout.write(out.decode())
        process.exit(max(0, child.returncode or 0))
    finally:
        Sshd.sessions -= 1


@pytest.fixture
async def shell() -> AsyncIterator[SshShell]:
    Sshd.sessions = 0
    server = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=Sshd,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
    )  # fmt: skip
    route = Route(transport=Transport.SSH, host="127.0.0.1", ssh_port=server.get_port())
    made = SshShell(route, HostAddress(url="", password="x"), HostKeys(State("")), connect_s=5)
    yield made
    await made.close()
    server.close()
    await server.wait_closed()


async def test_a_command_that_is_given_up_does_nothing_more(
    shell: SshShell, tmp_path: Path
) -> None:
    """What it would do yet was perhaps undone meanwhile."""
    for number, limit_s in enumerate((0.3, 60.0)):
        begun, late = tmp_path / f"begun-{number}", tmp_path / f"late-{number}"
        script = 'touch "$1"; sleep 1; touch "$2"'
        run = shell.run("sh", "-c", script, "sh", str(begun), str(late), timeout_s=limit_s)
        with pytest.raises((Unknown, TimeoutError)):
            async with asyncio.timeout(0.6):
                await run
        assert begun.exists()
        await asyncio.sleep(1.0)
        assert not late.exists()
    await until(lambda: not Sshd.sessions)


async def test_more_commands_than_a_connection_carries_wait_for_each_other(
    shell: SshShell,
) -> None:
    async with asyncio.TaskGroup() as group:
        all_ = [group.create_task(shell.run("sh", "-c", "sleep 0.2")) for _ in range(24)]
    assert [one.result().code for one in all_] == [0] * 24
