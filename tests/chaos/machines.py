"""The machines of a cluster under test: controllers, PostgreSQL, Kafka, the simulated hosts, and
the lines between them, each of which can be killed, paused or cut.

Every process is started by the command that a user would type and is reached through its port. The
controllers reach PostgreSQL and the simulator, and clients reach the controllers, through relays.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from tests.peers import kafka, postgres
from tests.peers.relay import Relay

ROOT = Path(__file__).resolve().parents[2]
SAGASTACK = (sys.executable, "-m", "sagastack.cli")
START_S, STOP_S, TOOL_S = 120.0, 60.0, 300.0
POLL_S = 0.1
NO_LOG = ("the log cannot be", "cannot be asked")


class Ended(AssertionError):
    """A process ended at its start; the text is what it said."""


class Process:
    """A process of ours, ended by its own id. What it says lands in files in its folder."""

    def __init__(
        self, name: str, folder: Path, command: Sequence[str], env: dict[str, str]
    ) -> None:
        self.name, self.folder = name, folder
        self._command, self._env = [*SAGASTACK, *command], env
        self._process: subprocess.Popen[bytes] | None = None
        self.is_paused = False
        folder.mkdir(parents=True, exist_ok=True)
        self.errors, self._said = folder / "stderr", folder / "stdout"

    @property
    def has_ended(self) -> bool:
        """Whether it ended although nobody told it to."""
        return self._process is not None and self._process.poll() is not None

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def spawn(self) -> None:
        with self.errors.open("ab") as errors, self._said.open("wb") as said:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=errors,
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), **self._env},
                start_new_session=True,  # Ctrl-C is for the test, which ends its processes.
            )
        self.is_paused = False

    async def said(self, words: str) -> str:
        """Its first line with these words; the process must not end before it."""
        until = monotonic() + START_S
        while True:
            for line in self._said.read_text().splitlines():
                if words in line:
                    return line
            if self.has_ended:
                raise Ended(f"{self.name} ended at its start:\n{self.tail()}")
            assert monotonic() < until, f"{self.name} did not say {words!r}:\n{self.tail()}"
            await asyncio.sleep(POLL_S)

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None, f"{self.name} does not run"
        self._process.send_signal(number)

    def pause(self) -> None:
        self.send(signal.SIGSTOP)
        self.is_paused = True

    def resume(self) -> None:
        self.send(signal.SIGCONT)
        self.is_paused = False

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        """Its exit status; killed if it takes too long."""
        process, self._process = self._process, None
        if process is None:
            return None
        with suppress(ProcessLookupError):
            if self.is_paused:
                process.send_signal(signal.SIGCONT)
            process.send_signal(number)
        try:
            return await asyncio.to_thread(process.wait, STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait, STOP_S)
            return -9

    def tail(self) -> str:
        return self.errors.read_text(errors="replace")[-3000:] if self.errors.exists() else ""


@dataclass
class Controller:
    """One controller: its process, its folder, and the relays around it."""

    number: int
    process: Process
    port: int
    to_store: Relay
    to_world: Relay
    to_it: Relay | None = None
    crashes: list[str] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        assert self.to_it is not None
        return f"http://127.0.0.1:{self.to_it.port}/client/api"

    async def start(self) -> float:
        """Seconds until it answered. One that ends at its start is started again, as whatever
        supervises it would do; only one that cannot open its log, and says so, may."""
        began = monotonic()
        while True:
            self.process.spawn()
            try:
                await self.process.said("sagastack serves ")
            except Ended as ended:
                if not any(one in str(ended) for one in NO_LOG):
                    self.crashes.append(str(ended))
                if monotonic() - began > START_S:
                    raise
                await asyncio.sleep(0.5)
            else:
                return monotonic() - began


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What to build. `tag` begins the names of Kafka's topics if there is Kafka."""

    folder: Path
    controllers: int = 3
    kafka: bool = True
    simulator: str = "delay_s=0.05,seed=7"
    reconcile_s: float = 3.0


@dataclass
class Cluster:
    """All of it. `crashes` are controllers that ended by themselves, which none may."""

    setup: Setup
    store: postgres.Cluster
    store_url: str
    broker: kafka.Broker | None
    world: Process
    world_state: Path
    controllers: list[Controller] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)

    @property
    def endpoints(self) -> list[str]:
        return [one.endpoint for one in self.controllers]

    def environment(self, home: Path, world_port: int) -> dict[str, str]:
        return {
            "SAGASTACK_HOME": str(home),
            "SAGASTACK_SIMULATOR": f"server=127.0.0.1:{world_port}",
            "SAGASTACK_RECONCILE_S": str(self.setup.reconcile_s),
            "SAGASTACK_CHECKPOINT_EVENTS": "2000",
            "SAGASTACK_VAULT_KEY_FILE": str(self.setup.folder / "vault.key"),
        }

    def serve(self, port: int, store_port: int) -> list[str]:
        """The words of `sagastack serve` for a controller that reaches PostgreSQL by this port."""
        words = ["--log-level", "info", "serve", "--port", str(port)]
        words += ["--store", _by_port(self.store_url, store_port)]
        if self.broker is not None:
            words += ["--kafka", self.broker.servers, "--seals", str(self.setup.folder / "seals")]
        return words

    async def tool(self, *words: str, home: Path) -> dict[str, Any]:
        """A tool's answer with `--json`, and its exit status as `status`."""
        env = {**os.environ, "PYTHONPATH": str(ROOT), **self.environment(home, 1)}
        options = ["--json", "--store", self.store_url]
        done = await asyncio.to_thread(
            subprocess.run,
            [*SAGASTACK, *words, *options],
            capture_output=True,
            text=True,
            env=env,
            timeout=TOOL_S,
            check=False,
        )
        try:
            told = cast(dict[str, Any], json.loads(done.stdout.strip().splitlines()[-1]))
        except (ValueError, IndexError):
            told = {"error": (done.stdout + done.stderr)[-2000:]}
        return told | {"status": done.returncode}

    async def add(self, stack: AsyncExitStack, name: str) -> Controller:
        """One more controller, on an empty folder; it is not started yet."""
        home, port = self.setup.folder / name, _free_port()
        store = urlsplit(self.store_url)
        to_store = await stack.enter_async_context(Relay("127.0.0.1", store.port or 5432))
        world_port = int((await self.world.said("simulates")).rpartition(":")[2])
        to_world = await stack.enter_async_context(Relay("127.0.0.1", world_port))
        process = Process(
            name, home, self.serve(port, to_store.port), self.environment(home, to_world.port)
        )
        made = Controller(len(self.controllers), process, port, to_store, to_world)
        made.crashes = self.crashes
        made.to_it = await stack.enter_async_context(Relay("127.0.0.1", port))
        stack.push_async_callback(process.end, signal.SIGKILL)
        return made


@asynccontextmanager
async def cluster(setup: Setup) -> AsyncIterator[Cluster]:
    """The machines, all running; every one is gone when the block ends."""
    async with AsyncExitStack() as stack:
        store = stack.enter_context(postgres.cluster())
        broker = stack.enter_context(kafka.broker()) if setup.kafka else None
        state = setup.folder / "world.jsonl"
        world = Process(
            "simulator",
            setup.folder / "simulator",
            ["simulate", "--listen", "127.0.0.1:0", "--state", str(state)],
            {"SAGASTACK_SIMULATOR": setup.simulator},
        )
        world.spawn()
        stack.push_async_callback(world.end, signal.SIGKILL)
        made = Cluster(setup, store, store.database(), broker, world, state)
        for number in range(setup.controllers):
            made.controllers.append(await made.add(stack, f"controller-{number}"))
        for one in made.controllers:
            await one.start()
        yield made


async def answers(endpoint: str, session: aiohttp.ClientSession) -> bool:
    """Whether a server answers at all, be it with a refusal."""
    try:
        limit = aiohttp.ClientTimeout(total=2)
        async with session.get(endpoint, timeout=limit) as response:
            await response.read()
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
    return True


def _by_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition(":")[0] + f":{port}"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
