"""A crowd in a process of its own that asks when it wants to, whether or not it was answered.

Requests go out at random moments at a given rate; how long one took counts from the moment at
which it was due, so a server that stalls is charged with all who waited meanwhile (an open loop;
a closed one asks less while it waits, and hides that). Lines of JSON on standard input say what to
ask, a line each tells how long it took.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import hmac
import json
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote, urlencode, urlsplit

import uvloop

LINES = 64
PATIENCE_S = 20.0
ASK_AGAIN_S = 0.5
Row = dict[str, Any]


class Line(asyncio.BufferedProtocol):
    """One connection: one request at a time. The bytes of long answers are counted, not kept."""

    KEPT_BYTES = 65_536
    # All lines read into it, one at a time: it stays in the processor's cache.
    INBOX = memoryview(bytearray(262_144))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        """The answer's beginning; it is there when all of the answer is."""
        self._head, self._left, self._got = b"", -1, 0
        self._answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.INBOX

    def buffer_updated(self, nbytes: int) -> None:
        if len(self._head) < self.KEPT_BYTES:
            self._head += self.INBOX[: min(nbytes, self.KEPT_BYTES)]
        if self._left >= 0:
            self._left -= nbytes
        else:
            head, found, _ = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            size = head.lower().partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
            self._left = len(head) + len(found) + int(size) - self._got - nbytes
        self._got += nbytes
        if self._left == 0 and not self._answer.done():
            self._answer.set_result(self._head)

    def hang_up(self) -> None:
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if hasattr(self, "_answer") and not self._answer.done():
            self._answer.set_exception(ConnectionError("the server hung up"))


@dataclass
class Took:
    """Milliseconds from when each was due, and until it was sent."""

    answered_ms: list[float] = field(default_factory=list)
    sent_ms: list[float] = field(default_factory=list)

    def told(self, seconds: float, asked: int, whole_s: float) -> Row:
        """Who was not answered until all was over waited for at least that long."""
        unanswered = [1000 * whole_s] * (asked - len(self.answered_ms))
        answered, sent = sorted(self.answered_ms + unanswered), sorted(self.sent_ms)
        return {
            "per_s": len(self.answered_ms) / seconds,
            "unanswered": len(unanswered),
            "p50_ms": answered[len(answered) // 2],
            "p99_ms": answered[int(len(answered) * 0.99)],
            "max_ms": answered[-1],
            "sent_p99_ms": sent[int(len(sent) * 0.99)],
        }


class Crowd:
    def __init__(self, asked: Row) -> None:
        self._asked = asked
        self._at = urlsplit(asked["endpoint"])
        self._lines: list[Line] = []
        self._free: deque[Line] = deque()
        self._wanted: deque[asyncio.Future[Line]] = deque()

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        host, port = self._at.hostname or "127.0.0.1", self._at.port or 80
        for _ in range(LINES):
            _, line = await loop.create_connection(Line, host, port)
            self._lines.append(line)
        self._free.extend(self._lines)

    def hang_up(self) -> None:
        """Whatever is under way is given up."""
        for line in self._lines:
            line.hang_up()
        self._lines.clear()
        self._free.clear()
        self._wanted.clear()

    async def fetch(self, url: str, due_s: float, took: Took) -> bytes:
        """Ask over the first free connection, in the order of those who wait for one."""
        if self._free:
            line = self._free.popleft()
        else:
            wanted: asyncio.Future[Line] = asyncio.get_running_loop().create_future()
            self._wanted.append(wanted)
            line = await wanted
        at = urlsplit(url)
        request = f"GET {at.path}?{at.query} HTTP/1.1\r\nHost: {self._at.netloc}\r\n\r\n"
        took.sent_ms.append(1000 * (time.perf_counter() - due_s))
        answer = await line.ask(request.encode())
        took.answered_ms.append(1000 * (time.perf_counter() - due_s))
        if self._wanted:
            self._wanted.popleft().set_result(line)
        else:
            self._free.append(line)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(answer[:300].decode())
        return answer.partition(b"\r\n\r\n")[2]

    def signed(self, command: str, **params: str) -> str:
        query = {"command": command, "response": "json", "apiKey": self._asked["apikey"], **params}
        text = "&".join(f"{n}={quote(v, safe='*')}" for n, v in sorted(query.items())).lower()
        key = self._asked["secretkey"].encode()
        signature = base64.b64encode(hmac.new(key, text.encode(), hashlib.sha1).digest()).decode()
        return f"{self._asked['endpoint']}?{urlencode({**query, 'signature': signature})}"

    async def deploy(self, name: str, due_s: float, took: Took) -> None:
        """A guest, from the request to Running; its job is asked for twice a second."""
        accepted = json.loads(
            await self.fetch(
                self.signed("deployVirtualMachine", **self._asked["params"], name=name),
                due_s,
                took,
            )
        )
        job_id = accepted["deployvirtualmachineresponse"]["jobid"]
        while True:
            await asyncio.sleep(ASK_AGAIN_S)
            url = self.signed("queryAsyncJobResult", jobid=job_id)
            answer = json.loads(await self.fetch(url, time.perf_counter(), Took()))
            job = answer["queryasyncjobresultresponse"]
            if job["jobstatus"]:
                assert job["jobstatus"] == 1, job
                return

    async def run(self, lists_per_s: float, deploys_per_s: float, seconds: float) -> Row:
        """Both at their rates side by side, and what each took."""
        lists, deploys = Took(), Took()
        urls, label = self._asked["urls"], f"{self._asked['label']}-{deploys_per_s:.0f}"

        async def read(number: int, due_s: float) -> None:
            await self.fetch(urls[number % len(urls)], due_s, lists)

        async def write(number: int, due_s: float) -> None:
            await self.deploy(f"{label}-{number}", due_s, deploys)

        began, cpu_s = time.perf_counter(), time.process_time()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds + PATIENCE_S), asyncio.TaskGroup() as group:
                group.create_task(at_random(group, lists_per_s, seconds, read))
                if deploys_per_s:
                    group.create_task(at_random(group, deploys_per_s, seconds, write))
        whole_s = time.perf_counter() - began
        told: Row = {"whole_s": whole_s, "busy": (time.process_time() - cpu_s) / whole_s}
        told["lists"] = lists.told(seconds, int(lists_per_s * seconds), whole_s)
        if deploys_per_s:
            told["deploys"] = deploys.told(seconds, int(deploys_per_s * seconds), whole_s)
        return told


async def at_random(
    group: asyncio.TaskGroup,
    per_s: float,
    seconds: float,
    act: Callable[[int, float], Coroutine[Any, Any, None]],
) -> None:
    """Begin one after another at random moments, so many a second."""
    rng, began, due_s = random.Random(per_s), time.perf_counter(), 0.0
    for number in range(int(per_s * seconds)):
        due_s += rng.expovariate(per_s)
        wait_s = began + due_s - time.perf_counter()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        elif number % LINES == 0:
            await asyncio.sleep(0)
        group.create_task(act(number, began + due_s))


async def load(asked: Row) -> list[Row]:
    crowd = Crowd(asked)
    told = []
    for stage in asked["stages"]:
        await crowd.connect()
        gc.freeze()
        gc.disable()
        told.append(await crowd.run(**stage))
        crowd.hang_up()
    return told


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(uvloop.run(load(json.loads(line)))), flush=True)
