"""A call that never returns holds up no other, and not the end of the process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from engine.threads import MOST, Threads

ROOT = Path(__file__).parents[2]
# A controller whose images lie on a server that is gone.
SERVING = """
import asyncio, sys, threading
from contextlib import asynccontextmanager
from types import SimpleNamespace
from sagastack import boot, cli

@asynccontextmanager
async def controller(settings):
    hung = [asyncio.ensure_future(asyncio.to_thread(threading.Event().wait)) for _ in range(40)]
    await asyncio.to_thread(len, "another")
    yield SimpleNamespace(endpoint="http://nowhere/api", console="http://nowhere/")
    for one in hung:
        one.cancel()

boot.controller = controller
sys.exit(cli.main(["serve"]))
"""


async def test_as_many_as_are_asked_are_made_and_used_again() -> None:
    threads = Threads()
    asyncio.get_running_loop().set_default_executor(threads)
    assert await asyncio.to_thread(str, 7) == "7"
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(lambda: 1 / 0)
    names = {await asyncio.to_thread(threading.current_thread) for _ in range(20)}
    assert len(names) < 10, "idle ones are used"
    met = threading.Barrier(MOST)
    await asyncio.gather(*(asyncio.to_thread(met.wait, 60) for _ in range(MOST)))
    threads.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        threads.submit(len, "")


async def test_who_waits_is_told_why_and_is_served_later(caplog: pytest.LogCaptureFixture) -> None:
    threads, back = Threads(2, leave_s=0.2), threading.Event()
    hung = [threads.submit(back.wait) for _ in range(2)]
    with caplog.at_level(logging.ERROR):
        behind, given_up = threads.submit(len, "four"), threads.submit(len, "five")
    assert given_up.cancel()
    (line,) = caplog.messages
    assert line.startswith("all 2 threads are at work") and "NFS" in line
    began_s = time.monotonic()
    threads.shutdown()
    assert time.monotonic() - began_s < 5
    back.set()
    assert await asyncio.wrap_future(behind) == 4
    assert all(one.result(60) for one in hung)


def test_a_controller_ends_though_a_disk_does_not_answer(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", SERVING],
        cwd=ROOT,
        env=os.environ | {"SAGASTACK_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "the console is at http://nowhere/\n"
        assert "serves http://nowhere/api" in child.stdout.readline()
        child.send_signal(signal.SIGTERM)
        _, said = child.communicate(timeout=30)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 0
    assert "ending without 40 calls that do not return" in said
