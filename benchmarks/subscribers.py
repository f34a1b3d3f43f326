"""Readers of the event stream in a process of their own: each notes how late every event is.

It is told where to read by one line of JSON on its standard input, says `ready` when all are
connected, reads until the next line comes, and answers with one line. An event says when it was
decided, so what is noted holds the commit too. Every reader must get every event, in order.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

TOLD = re.compile(rb'id: (\d+)\nevent: [^\n]*\ndata: [^\n]*?"atms":(\d+)')
CONNECT_S = 60.0
AT_ONCE = 50


class Reader(asyncio.Protocol):
    """One connection: `late_ms` takes how late each event was, `counted` is told of each."""

    def __init__(self, request: bytes, late_ms: list[float], opened: asyncio.Future[None]) -> None:
        self._request, self._late_ms, self._opened = request, late_ms, opened
        self._rest = b""
        self.last = self.count = 0
        self.in_order = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        now_ms = time.time() * 1000
        if not self._opened.done():
            if not data.startswith(b"HTTP/1.1 200"):
                self._opened.set_exception(ConnectionError(data[:300].decode()))
                return
            self._opened.set_result(None)
            data = data.partition(b"\r\n\r\n")[2]
        text, end = self._rest + data, 0
        for told in TOLD.finditer(text):
            position, end = int(told[1]), told.end()
            self.in_order &= self.last in (0, position - 1)
            self.last, self.count = position, self.count + 1
            self._late_ms.append(now_ms - int(told[2]))
        self._rest = text[end:] if end else text


async def read(asked: dict[str, Any]) -> dict[str, Any]:
    """`readers` connections to `url` until something comes in on standard input."""
    loop, late_ms = asyncio.get_running_loop(), list[float]()
    at = urlsplit(asked["url"])
    request = f"GET {at.path}?{at.query} HTTP/1.1\r\nHost: {at.netloc}\r\n\r\n".encode()
    readers: list[Reader] = []
    for _ in range(0, asked["readers"], AT_ONCE):
        opened = [loop.create_future() for _ in range(min(AT_ONCE, asked["readers"]))]
        for one in opened:
            readers.append(Reader(request, late_ms, one))
            await loop.create_connection(lambda: readers[-1], at.hostname, at.port)
        async with asyncio.timeout(CONNECT_S):
            await asyncio.gather(*opened)
    print("ready", flush=True)
    cpu_s = time.process_time()
    until = await loop.run_in_executor(None, sys.stdin.readline)
    async with asyncio.timeout(CONNECT_S):
        while min(one.last for one in readers) < int(until):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert all(one.in_order for one in readers), "events came in another order than the log's"
    late_ms.sort()
    return {
        "cpu_us": 1e6 * (time.process_time() - cpu_s) / len(late_ms),
        "deliveries": len(late_ms),
        "fewest": min(one.count for one in readers),
        "p50_ms": late_ms[len(late_ms) // 2],
        "p99_ms": late_ms[int(len(late_ms) * 0.99)],
        "max_ms": late_ms[-1],
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(read(json.loads(sys.stdin.readline())))))
