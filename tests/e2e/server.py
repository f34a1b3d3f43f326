"""A real `sagastack serve` in a process of its own, which tests may ask, stop, kill and restart.

Nothing of the product is imported here that a user would not use: the process is started by its
command, and reached through its port. It is ended by its own process id.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from cs import CloudStack, CloudStackApiException

SAGASTACK = (sys.executable, "-m", "sagastack.cli")
ROOT = Path(__file__).parents[2]
READY_S = 120.0
STOP_S = 60.0
TOOL_S = 180.0
HANG_S = 300  # Jobs and answers come in a moment; a busy machine only makes it a longer one.


class Server:
    """One data folder and the process that serves it. `environment`: further `SAGASTACK_*`.

    `through` is a command that runs the server's, for example in another network namespace; it
    must put itself in its place (`exec`), so that there is one process to be ended.
    """

    def __init__(self, home: Path, *, through: Sequence[str] = (), **environment: str) -> None:
        self.home, self._through = home, tuple(through)
        ours = {"SAGASTACK_HOME": str(home), "PYTHONPATH": str(ROOT)}
        self.environment = os.environ | ours | environment
        self.errors = home.with_name(f"{home.name}.stderr")
        self.endpoint = ""
        self.ready_s = 0.0
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    # ---- life ----------------------------------------------------------------------------

    def start(
        self, *command: str, ready: str = "sagastack serves ", timeout_s: float = READY_S
    ) -> list[str]:
        """Start, and wait for the line that begins with `ready`; gives all up to that line."""
        assert self._process is None, "this server runs already"
        began = monotonic()
        with self.errors.open("a") as errors:
            self._process = subprocess.Popen(
                [
                    *self._through,
                    *SAGASTACK,
                    "--log-level",
                    "info",
                    *(command or ("serve", "--port", "0")),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=self.environment,
            )
        # Each life has its own: the last word of the one before may come late.
        self._lines = queue.SimpleQueue()
        told = (self._process, self._lines)
        threading.Thread(target=_read, args=told, daemon=True).start()
        lines = self.said(ready, timeout_s)
        self.ready_s = monotonic() - began
        self.endpoint = (self.home / "endpoint").read_text().strip()
        return lines

    def said(self, words: str, timeout_s: float) -> list[str]:
        """The next lines on stdout, up to the one that begins with `words`."""
        end = monotonic() + timeout_s
        heard: list[str] = []
        while True:
            try:
                line = self._lines.get(timeout=max(0.01, end - monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {words!r} in {timeout_s:.0f} s, but {heard}") from None
            assert line, f"the server ended: {heard}\n{self.stderr()[-3000:]}"
            heard.append(line.rstrip())
            if line.startswith(words):
                return heard

    def stop(self) -> int:
        """Ask it to end, as an operator would; gives its exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: it has no say in this."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        assert process is not None, "this server does not run"
        process.send_signal(number)
        try:
            return process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)
            raise AssertionError(f"the server did not end:\n{self.stderr()[-3000:]}") from None

    @property
    def runs(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stderr(self) -> str:
        return self.errors.read_text(errors="replace")

    # ---- tools and clients ---------------------------------------------------------------

    def tool(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a tool on the data folder, beside the server or without it."""
        return subprocess.run(
            [*self._through, *SAGASTACK, *words],
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=TOOL_S,
            check=False,
        )

    def credentials(self) -> dict[str, str]:
        done = self.tool("credentials", "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, str] = json.loads(done.stdout)
        return found

    def api(self) -> Api:
        """The first admin's client."""
        found = self.credentials()
        return Api(self.endpoint, found["apikey"], found["secretkey"])

    @property
    def base(self) -> str:
        """The server's address without the path of the API."""
        return self.endpoint.removesuffix("/client/api")


class Api:
    """`cs` as the client: `api("listZones", id=...)`; a job is waited for and its result given.

    What it returns can be awaited too, so one sequence serves the tests of other folders as well.
    """

    def __init__(self, endpoint: str, key: str, secret: str) -> None:
        self.endpoint, self.key, self.secret = endpoint, key, secret
        self.cs = CloudStack(
            endpoint=endpoint,
            key=key,
            secret=secret,
            timeout=HANG_S,
            poll_interval=0.02,
            job_timeout=HANG_S,
        )

    def __call__(self, command: str, **params: Any) -> Any:
        return getattr(self.cs, command)(fetch_result=True, **params)

    def accepted(self, command: str, **params: Any) -> Any:
        """The first answer of an asynchronous command, its job not waited for."""
        return getattr(self.cs, command)(**params)

    def ended(self, job_id: str) -> Any:
        """The result of a job that was begun before."""
        return self.cs._jobresult(job_id)

    def one(self, command: str, key: str, **params: Any) -> Any:
        """The only row of a list."""
        answer = self(command, **params)
        assert answer.get("count") == 1, answer
        return answer[key][0]

    def refused(self, command: str, code: int, text: str, **params: Any) -> str:
        """The words of a refusal, or of a job's failure, with this code and holding this text."""
        with pytest.raises(CloudStackApiException) as caught:
            self(command, **params)
        error = caught.value.error
        error = error.get("jobresult", error)
        assert error["errorcode"] == code, error
        assert text in error["errortext"], error
        return str(error["errortext"])


class Awaitable:
    """An `Api` for sequences that are written with `await`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def __call__(self, command: str, **params: Any) -> Any:
        return await asyncio.to_thread(self._api, command, **params)


def _read(process: subprocess.Popen[str], lines: queue.SimpleQueue[str]) -> None:
    """Hand on what a process prints, and an empty text at its end."""
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put("")


@contextmanager
def serving(home: Path, **environment: str) -> Iterator[Server]:
    """A server on a folder, for as long as the block lasts and whatever happens in it."""
    server = Server(home, **environment)
    try:
        server.start()
        yield server
    finally:
        if server.runs:
            server.stop()
