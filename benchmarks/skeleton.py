"""A deploy with everything left out that makes a cloud of it: what the machine allows at most.

A signed request over HTTP, a flat first fit among 30,000 hosts, and ten events of an aggregate of
the `eventsourcing` library in three commits of its SQLite recorder, in full sync. Who waits shares
a commit, and the answer is sent when the last is on disk. There are no tenants to tell apart, no
quotas, jobs, projections or hypervisors. The client is the one that asks the real controller.

On the machine that the budgets were set on such a skeleton made 2,200 deploys a second; of them the
real controller is to keep 1,000.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import statistics
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import numpy as np
from aiohttp import web
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import (
    DatetimeAsISO,
    JSONTranscoder,
    Mapper,
    StoredEvent,
    UUIDAsHex,
)
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

from api.app import start
from benchmarks.tenants import sustained, tenants

HOSTS, CORE_MHZ, CORES, MEMORY_MIB = 30_000, 2600, 64, 262_144
GUEST_MHZ, GUEST_MIB = 500, 512
THERE, KEPT = 2_200, 1_000
CONNECTIONS, WARM, DEPLOYS, ROUNDS = 64, 512, 2_000, 5
KEYS = {"apikey": "skeleton", "secretkey": "of nobody"}
Row = dict[str, Any]


class Guest(Aggregate):
    """A guest on its way to Running, in the library's own way."""

    @event("Asked")
    def __init__(self, name: str, account_id: UUID, cpu_count: int, memory_mib: int) -> None:
        self.name, self.account_id = name, account_id
        self.cpu_count, self.memory_mib = cpu_count, memory_mib
        self.state, self.host, self.steps = "Asked", -1, list[str]()

    @event("Placed")
    def place(self, host: int) -> None:
        self.host = host

    @event("StepDone")
    def step(self, name: str, key: UUID) -> None:
        self.steps.append(name)

    @event("StateChanged")
    def become(self, state: str) -> None:
        self.state = state


class Commits:
    """One thread that writes; whoever waits when it comes round shares its commit."""

    def __init__(self, path: Path) -> None:
        self._recorder = SQLiteApplicationRecorder(SQLiteDatastore(str(path)))
        self._recorder.create_table()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._waiting: list[tuple[list[StoredEvent], asyncio.Future[None]]] = []
        self._is_writing = False
        transcoder = JSONTranscoder()
        transcoder.register(UUIDAsHex())
        transcoder.register(DatetimeAsISO())
        self._mapper: Mapper[UUID] = Mapper(transcoder)

    async def save(self, guest: Guest) -> None:
        stored = [self._mapper.to_stored_event(one) for one in guest.collect_events()]
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((stored, done))
        if not self._is_writing:
            self._is_writing = True
            asyncio.get_running_loop().call_soon(self._write)
        await done

    def _write(self) -> None:
        batch, self._waiting = self._waiting, []
        if not batch:
            self._is_writing = False
            return
        events = [one for stored, _ in batch for one in stored]
        loop = asyncio.get_running_loop()
        written = loop.run_in_executor(self._thread, self._recorder.insert_events, events)
        written.add_done_callback(lambda told: self._written(told, batch))

    def _written(self, told: asyncio.Future[Any], batch: list[tuple[Any, Any]]) -> None:
        told.result()
        for _, done in batch:
            done.set_result(None)
        self._write()

    def close(self) -> None:
        self._thread.shutdown()
        self._recorder.datastore.close()


class Hosts:
    def __init__(self) -> None:
        self.free_mhz = np.full(HOSTS, CORE_MHZ * CORES, dtype=np.int64)
        self.free_mib = np.full(HOSTS, MEMORY_MIB, dtype=np.int64)

    def place(self) -> int:
        host = int(np.argmax((self.free_mhz >= GUEST_MHZ) & (self.free_mib >= GUEST_MIB)))
        self.free_mhz[host] -= GUEST_MHZ
        self.free_mib[host] -= GUEST_MIB
        return host


@asynccontextmanager
async def skeleton() -> AsyncIterator[str]:
    """Where it listens."""
    hosts, account_id, secret = Hosts(), uuid4(), KEYS["secretkey"].encode()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        commits = Commits(Path(folder) / "skeleton.db")

        async def deploy(request: web.Request) -> web.Response:
            said = dict(request.query)
            signature = said.pop("signature")
            text = "&".join(f"{name}={quote(said[name], safe='')}" for name in sorted(said))
            digest = hmac.digest(secret, text.lower().encode(), hashlib.sha1)
            if not hmac.compare_digest(base64.b64encode(digest).decode(), signature):
                return web.Response(status=401)
            guest = Guest(said["name"], account_id, 1, GUEST_MIB)
            guest.become("Accepted")
            guest.step("check limits", uuid4())
            await commits.save(guest)
            guest.place(hosts.place())
            guest.step("make disk", uuid4())
            guest.step("take address", uuid4())
            guest.become("Starting")
            await commits.save(guest)
            guest.step("start", uuid4())
            guest.become("Running")
            guest.become("Told")
            await commits.save(guest)
            told = {"deployvirtualmachineresponse": {"jobid": str(guest.id), "id": str(guest.id)}}
            return web.json_response(told)

        app = web.Application()
        app.router.add_get("/client/api", deploy)
        runner, port = await start(app, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{port}/client/api"
        finally:
            await runner.cleanup()
            commits.close()


async def rate(params: dict[str, str]) -> float:
    """Deploys a second, asked for with these parameters: the median of several rounds."""
    asked: dict[str, Any] = {"params": params, "named": "name", "label": "guest"}
    asked |= {"at_a_time": CONNECTIONS, "polls": False}
    async with skeleton() as endpoint:
        await tenants(endpoint, KEYS, "deployVirtualMachine", **asked, count=WARM)
        told = [
            await tenants(endpoint, KEYS, "deployVirtualMachine", **asked, count=DEPLOYS)
            for _ in range(ROUNDS)
        ]
    return statistics.median(
        sustained(told_s for _, _, told_s in one["jobs"].values()) for one in told
    )
