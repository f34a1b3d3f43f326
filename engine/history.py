"""Any past moment, folded again from the nearest checkpoint and the log, off the event loop.

A checkpoint is a saved `Cloud`. It carries a fingerprint of the code that folded it and the mark
of the row that it ends with, because one made by other folds, or of another log, would be a lie;
such a one is ignored.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections import OrderedDict
from functools import cache
from pathlib import Path
from sys import getrefcount
from time import process_time
from uuid import UUID

import msgspec

from aggregates.base import Aggregate, build
from aggregates.errors import NotFound
from aggregates.saga import SagaRun
from engine.collector import at_rest
from engine.halves import LONG, cores, fold_halved
from engine.log import Log, LogError, Stored
from projections.cloud import Cloud

log_ = logging.getLogger("sagastack.history")

KEPT_MOMENTS = 4
KEPT_CHECKPOINTS = 3
# How parts of a damaged checkpoint fail that are packed: they are no columns, or name what is not
# there. The log says all of it again.
UNREADABLE = (OSError, msgspec.DecodeError, ValueError, LookupError, AssertionError)


@cache
def fingerprint() -> str:
    """Names the code of every fold: a change in any of it makes older checkpoints void."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for folder in ("aggregates", "projections"):
        for source in sorted((root / folder).glob("**/*.py")):
            digest.update(source.relative_to(root).as_posix().encode() + source.read_bytes())
    return digest.hexdigest()[:16]


def mark(row: Stored) -> str:
    """Names a row so that no other log has it in the same place, were it a copy of this one."""
    known = f"{row.position} {row.stream} {row.version} {row.topic} ".encode()
    return hashlib.sha256(known + row.state).hexdigest()[:16]


class History:
    """What the last fold cost: `took`, part by part, in seconds of processor time, and `behind`,
    how many events lay behind its checkpoint."""

    def __init__(self, log: Log, folder: Path) -> None:
        self._log, self._folder = log, folder
        self.took: dict[str, float] = {}
        self.behind = 0
        self._moments: OrderedDict[int, Cloud] = OrderedDict()
        self._turn = asyncio.Lock()

    async def latest(self) -> Cloud:
        """The newest state of the cloud."""
        return await self._fold(None)

    async def opening(self) -> Cloud:
        """The cloud as the log was when it was opened: its listeners hear what came since."""
        return await self._fold(self._log.begins, halved=True)

    async def at(self, at_ms: int) -> Cloud:
        """The cloud after the last event recorded at or before `at_ms`."""
        async with self._turn:
            position = await self._log.position_at(at_ms)
            if position not in self._moments:
                while len(self._moments) >= KEPT_MOMENTS:
                    await _let_go(self._moments.popitem(last=False)[1])
                self._moments[position] = await self._fold(position)
            self._moments.move_to_end(position)
            return self._moments[position]

    async def until(self, position: int) -> Cloud:
        """The cloud after the last event at or before a position; the caller's own."""
        return await self._fold(position)

    async def rebuild(self, until: int | None = None) -> Cloud:
        """The cloud from the log alone, no checkpoint trusted."""
        end = await self._log.position() if until is None else until
        return await self._extend(Cloud().defer(), end, halved=True)

    async def run(self, run_id: UUID, until: int | None = None) -> SagaRun:
        """A saga run by its own stream, as it was at a position, or began behind that."""
        row: Aggregate | None = None
        for recorded in await self._log.read_stream(run_id):
            if row is None:
                row = build(recorded)
            elif until is None or recorded.position <= until:
                recorded.event.apply(row, recorded.at_ms)
                row.version = recorded.version
        if not isinstance(row, SagaRun):
            raise NotFound(f"there is no job {run_id}")
        return row

    async def ever(self, row_id: UUID, kind: str) -> bool:
        """Whether the log holds a stream of this kind under this id."""
        stream = await self._log.read_stream(row_id)
        return bool(stream) and stream[0].event.KIND == kind

    async def checkpoint(self) -> Path | None:
        """Save the state at the log's end; nothing to do if there is such a checkpoint."""
        cloud = await self._fold(None)
        if cloud.position == 0:
            return None
        ours = f"{fingerprint()}-{await self._mark_at(cloud.position)}"
        path = self._folder / f"{cloud.position:012d}-{ours}.checkpoint"
        if path.exists():
            return None
        await asyncio.to_thread(self._write, path, cloud)
        return path

    def _write(self, path: Path, cloud: Cloud) -> None:
        """Under its name once it is whole. What others broke off is removed first: each would keep
        as much of the disk as a whole one, for ever, and the next may be for want of room."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for broken in self._folder.glob("*.partial"):
            broken.unlink(missing_ok=True)
        partial = path.with_suffix(".partial")
        try:
            with partial.open("wb") as file:
                file.write(cloud.save())
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        for old in sorted(self._folder.glob("*.checkpoint"))[:-KEPT_CHECKPOINTS]:
            old.unlink()

    async def _fold(self, until: int | None, *, halved: bool = False) -> Cloud:
        end = await self._log.position() if until is None else until
        return await self._extend(await self._nearest(end), end, halved=halved)

    async def _extend(self, cloud: Cloud, until: int, *, halved: bool = False) -> Cloud:
        """Fold what came up to a position; `halved` where somebody waits, and cores are idle."""
        first = cloud.position
        try:
            return await self._folded(cloud, until, halved)
        except BaseException as failed:
            cloud.give_up()
            if isinstance(failed, Exception) and not isinstance(failed, LogError):
                # A past is read with less care than a row: a fold that damage broke names no row.
                async for _ in self._log.read(first, until=until):
                    pass
            raise

    async def _folded(self, cloud: Cloud, until: int, halved: bool) -> Cloud:
        with at_rest():
            began, first = process_time(), cloud.position
            if halved and first == 0 and until >= LONG and cores() > 1:
                cloud = await fold_halved(self._log, until) or cloud
            await self._log.fold_past(cloud.fold, after=cloud.position, until=until)
            folded = process_time()
            settled = await asyncio.to_thread(cloud.settle)
            self.behind = cloud.position - first
            self.took["events"] = folded - began
            self.took["indexes"] = process_time() - folded
            return settled

    async def _nearest(self, until: int) -> Cloud:
        """A cloud to go on from, not settled yet.

        One that does not end with a row of this log is of another: it was restored, say.
        """
        self.took = {}
        for path in sorted(self._folder.glob(f"*-{fingerprint()}-*.checkpoint"), reverse=True):
            position, _, its_mark = path.stem.split("-")
            if int(position) > until or its_mark != await self._mark_at(int(position)):
                continue
            try:
                with at_rest():
                    began = process_time()
                    saved = await asyncio.to_thread(path.read_bytes)
                    read = process_time()
                    cloud = await asyncio.to_thread(Cloud.deferred, saved)
                    self.took["checkpoint read"] = read - began
                    self.took["checkpoint decoded"] = process_time() - read
                    return cloud
            except UNREADABLE as error:
                log_.warning("checkpoint %s is left out: %s", path.name, error)
        return Cloud().defer()

    async def _mark_at(self, position: int) -> str:
        """The mark of the row at a position; empty where there is none."""
        rows = await self._log.read_stored(position - 1, until=position, limit=1)
        return mark(rows[0]) if rows else ""


async def _let_go(cloud: Cloud) -> None:
    """Free a cloud in pieces; one that somebody reads still goes with whoever has it last."""
    if getrefcount(cloud) <= NOBODY_ELSE:
        await cloud.dissolve()


def _counted(one: object) -> int:
    """The reference count, inside of a call, of what only that call was given."""
    return getrefcount(one)


NOBODY_ELSE = _counted(object())
