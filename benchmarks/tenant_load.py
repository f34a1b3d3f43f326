"""A tenant's client in a process of its own, as lean as can be: what is measured is the server.

Signed requests on connections that stay open. For each job that it began it asks
`queryAsyncJobResult` five times a second until that is over, as usual clients do. It is told what
to do by one line of JSON on its standard input, so that no key is ever an argument, and answers
with one: when each job was asked for (`CLOCK_MONOTONIC`, which all processes share) and told.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import sys
import time
from collections import deque
from typing import Any
from urllib.parse import quote, urlsplit

import uvloop

from sagastack.output import whole_output

POLL_S = 0.2
CONNECTIONS = 64


class Connection(asyncio.Protocol):
    """One request at a time; the answer's body, which the server always gives the length of."""

    def __init__(self) -> None:
        self._got = b""
        self._end = -1
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the server hung up"))

    def data_received(self, data: bytes) -> None:
        self._got += data
        if self._end < 0:
            head = self._got.find(b"\r\n\r\n")
            if head < 0:
                return
            at = self._got.lower().find(b"content-length:", 0, head) + len(b"content-length:")
            self._end = head + 4 + int(self._got[at : self._got.index(b"\r\n", at)])
        if len(self._got) >= self._end and self._answer is not None:
            body = self._got[self._got.index(b"\r\n\r\n") + 4 : self._end]
            self._got, self._end = b"", -1
            self._answer.set_result(body)

    async def ask(self, path: str, host: str) -> Any:
        """The inside of the answer's envelope."""
        self._answer = asyncio.get_running_loop().create_future()
        assert self._transport is not None
        self._transport.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        inside = next(iter(json.loads(await self._answer).values()))
        assert "errorcode" not in inside, inside
        return inside


class Tenant:
    def __init__(self, asked: dict[str, Any]) -> None:
        self._asked, self._url = asked, urlsplit(asked["endpoint"])
        self._secret = asked["secretkey"].encode()
        self._idle: deque[Connection] = deque()
        self._wanted: deque[asyncio.Future[Connection]] = deque()
        self.jobs: dict[str, tuple[float, float, float]] = {}
        self.polls = 0

    def _path(self, command: str, params: dict[str, str]) -> str:
        query = {"command": command, "response": "json", "apiKey": self._asked["apikey"], **params}
        text = "&".join(f"{name}={quote(query[name], safe='')}" for name in sorted(query))
        digest = hmac.digest(self._secret, text.lower().encode(), hashlib.sha1)
        return f"{self._url.path}?{text}&signature={quote(base64.b64encode(digest), safe='')}"

    async def call(self, command: str, params: dict[str, str]) -> Any:
        path = self._path(command, params)
        connection = await self._connection()
        answer = await connection.ask(path, self._url.netloc)
        if self._wanted:
            self._wanted.popleft().set_result(connection)
        else:
            self._idle.append(connection)
        return answer

    async def _connection(self) -> Connection:
        """One that is free, given in the order of those who wait: a queue of asyncio's would give
        it to whoever asks at that moment, and some would wait for seconds."""
        if self._idle:
            return self._idle.popleft()
        wanted: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._wanted.append(wanted)
        return await wanted

    async def job(self, command: str, params: dict[str, str]) -> None:
        """One job, from asking for it until a poll has told that it succeeded."""
        asked_s = time.monotonic()
        begun = await self.call(command, params)
        accepted_s = time.monotonic()
        while self._asked.get("polls", True):
            await asyncio.sleep(POLL_S)
            self.polls += 1
            told = await self.call("queryAsyncJobResult", {"jobid": begun["jobid"]})
            if told["jobstatus"]:
                assert told["jobstatus"] == 1, told
                break
        self.jobs[begun["jobid"]] = asked_s, accepted_s, time.monotonic()

    async def run(self) -> dict[str, Any]:
        asked = self._asked
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            host, port = self._url.hostname, self._url.port
            self._idle.append((await loop.create_connection(Connection, host, port))[1])
        names = iter([f"{asked['label']}-{number}" for number in range(asked["count"])])

        async def one_after_another(delay_s: float) -> None:
            await asyncio.sleep(delay_s)
            for name in names:
                told = {asked["named"]: name} if asked.get("named") else {}
                await self.job(asked["command"], asked["params"] | told)

        began_s = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(asked["at_a_time"]):
                # Spread over the time between two polls, as tenants are.
                delay_s = POLL_S * number / asked["at_a_time"]
                group.create_task(one_after_another(delay_s))
        wall_s, cpu_s = time.monotonic() - began_s, time.process_time()
        return {"wall_s": wall_s, "cpu_s": cpu_s, "jobs": self.jobs, "polls": self.polls}


if __name__ == "__main__":
    told = uvloop.run(Tenant(json.loads(sys.stdin.readline())).run())
    with whole_output():
        print(json.dumps(told))
