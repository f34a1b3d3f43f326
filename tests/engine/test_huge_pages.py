"""What is full is kept in huge pages, what is sparse is not, and all of it stays what it was."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import mmap
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event

import pytest

from engine import huge_pages
from engine.clock import SystemClock
from engine.huge_pages import Heap, collapse_all, heap, keep_on_huge_pages

MIB = 1 << 20
SIZE = 64 * MIB
PATTERN = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture
def kept() -> Heap:
    found = heap()
    if found is None:
        pytest.skip("no huge pages: this kernel has none, or is told never to give any")
    if not collapse_all(found):
        pytest.skip("no huge pages on demand: they came with Linux 6.1")
    return found


class Memory:
    """Memory of its own mapping. What is touched lies in small pages, whatever the system wants."""

    def __init__(self) -> None:
        self.bytes = mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.bytes.madvise(mmap.MADV_NOHUGEPAGE)
        self._at = ctypes.addressof(ctypes.c_char.from_buffer(self.bytes))

    def release(self) -> None:
        """From here on it may be collapsed."""
        self.bytes.madvise(mmap.MADV_HUGEPAGE)

    @property
    def huge(self) -> int:
        """How much of it the kernel says lies in huge pages."""
        inside = False
        for line in Path("/proc/self/smaps").read_text().splitlines():
            if (where := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)) is not None:
                inside = int(where[1], 16) <= self._at < int(where[2], 16)
            elif inside and line.startswith("AnonHugePages:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("it lies nowhere")


@pytest.fixture
def memory() -> Iterator[Memory]:
    made = Memory()
    yield made
    made.bytes.close()


def test_what_is_full_is_collapsed_and_stays_what_it_was(kept: Heap, memory: Memory) -> None:
    memory.bytes[:] = PATTERN * (SIZE // len(PATTERN))
    memory.release()
    assert memory.huge < SIZE // 2, "of its own accord"
    assert collapse_all(kept)
    assert memory.huge >= SIZE - 2 * kept.piece_bytes
    assert all(memory.bytes[at : at + MIB] == PATTERN for at in range(0, SIZE, MIB))


def test_what_is_sparse_stays_small(kept: Heap, memory: Memory) -> None:
    for at in range(0, SIZE, 8192):  # every other page
        memory.bytes[at] = 1
    memory.release()
    assert collapse_all(kept)
    assert memory.huge < SIZE // 2


async def test_what_a_process_grows_by_is_collapsed_as_it_comes(
    kept: Heap, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huge_pages, "REST_S", 0.01)
    keeping = asyncio.create_task(keep_on_huge_pages(SystemClock()))
    memory.bytes[:] = PATTERN * (SIZE // len(PATTERN))
    memory.release()
    async with asyncio.timeout(60):
        while memory.huge < SIZE - 2 * kept.piece_bytes:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping


@pytest.mark.parametrize("said", ["always madvise [never]", None])
def test_where_there_are_none_or_never_shall_be_nothing_is_done(
    said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huge_pages, "SYSFS", tmp_path)
    if said is not None:
        (tmp_path / "enabled").write_text(said)
        (tmp_path / "hpage_pmd_size").write_text("2097152")
    assert heap() is None


class Refusing(Heap):
    """Its kernel answers every piece in the same way."""

    def __init__(self, why: int) -> None:
        super().__init__()
        self.asked, self._why = list[int](), why
        self._madvise = self._refuse

    def pieces(self) -> Iterator[int]:
        yield from range(0, 3 * self.piece_bytes, self.piece_bytes)

    def _refuse(self, at: int, size: int, advice: int) -> int:
        self.asked.append(at)
        ctypes.set_errno(self._why)
        return -1


@pytest.mark.parametrize(("why", "goes_on"), [(errno.EINVAL, False), (errno.EAGAIN, True)])
def test_a_kernel_that_knows_of_none_is_asked_no_more(kept: Heap, why: int, goes_on: bool) -> None:
    """One that just has no memory for it is."""
    assert collapse_all(Refusing(why)) is goes_on


async def test_a_kernel_that_knows_of_none_ends_the_task(
    kept: Heap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huge_pages, "REST_S", 0.0)
    monkeypatch.setattr(huge_pages, "heap", lambda: Refusing(errno.EINVAL))
    async with asyncio.timeout(60):
        await keep_on_huge_pages(SystemClock())


@pytest.mark.parametrize("lacking", ["MAPS", "STATM"])
async def test_without_a_proc_of_its_own_a_controller_goes_on(
    kept: Heap, lacking: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huge_pages, "REST_S", 0.0)
    monkeypatch.setattr(huge_pages, lacking, tmp_path / "none")
    async with asyncio.timeout(60):
        await keep_on_huge_pages(SystemClock())


def test_a_controller_that_ends_waits_for_no_more_than_one(
    kept: Heap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huge_pages, "BUSY_S", -1.0)
    ended, all_of_it = Event(), Refusing(errno.EAGAIN)
    ended.set()
    collapse_all(all_of_it, ended)
    assert len(all_of_it.asked) == 1
