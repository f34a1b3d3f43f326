"""Threads of a controller share one arena of the C library."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

THREADS = """
import ctypes, threading
from engine.malloc import share_one_arena
{first}
all_allocate = threading.Barrier(4)
def allocate():
    kept = [bytes(4000) for _ in range(100)]
    all_allocate.wait()
threads = [threading.Thread(target=allocate) for _ in range(4)]
for one in threads: one.start()
for one in threads: one.join()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


def arenas(first: str) -> int:
    made = subprocess.run(
        [sys.executable, "-c", THREADS.format(first=first)], capture_output=True, check=True
    )
    return made.stdout.count(b"<heap nr=")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="not glibc")
def test_threads_share_one_arena() -> None:
    assert arenas("share_one_arena()") == 1
    assert arenas("pass") > 1
