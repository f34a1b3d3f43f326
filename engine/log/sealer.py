"""The sealer of a single controller follows the log off the event loop, into a file.

A crash costs nothing, as it goes on behind the last whole line.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path

from aggregates.base import Recorded
from engine.log.errors import LogUnavailable
from engine.log.log import Log
from engine.log.seal import (
    PRIVATE_KEY,
    SEALS,
    STRETCH,
    SealFile,
    SealsDamaged,
    load_private_key,
    seal,
)
from engine.log.unit import Stored

log_ = logging.getLogger("sagastack.seals")

IDLE_S = 3.0
CLOSE_S = 5.0
"""How long a controller that ends goes on sealing: who stopped it waits, and nothing is lost."""


class Sealer:
    """Seals the log as it grows: full stretches at once, a part of one when the log is quiet.

    Make it with `Sealer.open`, keep `run` in a task group, and `close` it before the log.
    """

    def __init__(
        self, log: Log, home: Path, now_ms: Callable[[], int], threads: ThreadPoolExecutor
    ) -> None:
        self._log, self._home, self._now_ms, self._threads = log, home, now_ms, threads
        self._heard = asyncio.Event()
        self._end = 0
        self._busy, self._closed = asyncio.Lock(), False
        self._key = load_private_key(home)
        self._file = SealFile(home)
        last = self._file.last
        if last is not None and not last.signed_by(self._key.public_key()):
            raise SealsDamaged(
                f"the last seal of {self._file.path} was not signed by {home / PRIVATE_KEY}: "
                "restore the key, or move the seals away to begin a new chain"
            )

    @classmethod
    async def open(cls, log: Log, home: Path, *, now_ms: Callable[[], int]) -> Sealer:
        """Take up the chain in `home`. SealsDamaged when it does not belong to this log."""
        threads = ThreadPoolExecutor(1, "sealer")
        loop = asyncio.get_running_loop()
        try:
            sealer = await loop.run_in_executor(threads, cls, log, home, now_ms, threads)
            end = await log.position()
            if sealer.position > end:
                raise SealsDamaged(
                    f"{home / SEALS} seals up to position {sealer.position} and the log ends at "
                    f"{end}: the log was cut or replaced; restore it, or move the seals away"
                )
        except BaseException:
            threads.shutdown(wait=False)
            raise
        sealer._end = end
        log.listen(sealer._hear)
        return sealer

    def _hear(self, batch: Sequence[Recorded]) -> None:
        """Wake up once a stretch may be full: reading it only to count it costs as much as it."""
        self._end = batch[-1].position
        if self._end - self.position >= STRETCH:
            self._heard.set()

    @property
    def position(self) -> int:
        """The last position that is sealed."""
        return self._file.last.last if self._file.last else 0

    async def run(self, *, idle_s: float = IDLE_S) -> None:
        """Follow the log until cancelled. While it cannot be read there is nothing to seal, and
        while the disk takes no seal they are made later."""
        quiet = False
        while True:
            try:
                await self.catch_up(partial=quiet)
            except (LogUnavailable, OSError) as error:
                log_.warning("the log is not sealed now, in %s: %s", self._home, error)
            quiet = not await self._is_full(idle_s)
            self._heard.clear()

    async def _is_full(self, idle_s: float) -> bool:
        """Wait until a stretch may be full; False if the log was quiet for so long."""
        try:
            async with asyncio.timeout(idle_s):
                await self._heard.wait()
        except TimeoutError:
            return False
        return True

    async def catch_up(self, *, partial: bool, for_s: float = inf) -> int:
        """Seal what is not sealed yet, the rest that fills no stretch only with `partial`.

        Begins no stretch after `for_s` seconds, but for the first. Returns how many it sealed.
        """
        loop, made = asyncio.get_running_loop(), 0
        until_s = loop.time() + for_s
        async with self._busy:
            if not self._closed:
                await loop.run_in_executor(self._threads, self._file.look)
            while not self._closed and (
                rows := await self._log.read_stored(self.position, limit=STRETCH)
            ):
                if len(rows) < STRETCH and not partial:
                    break
                await loop.run_in_executor(self._threads, self._seal, rows)
                made += 1
                if loop.time() >= until_s:
                    break
            return made

    async def close(self) -> None:
        """Seal the rest, for `CLOSE_S` at most; the next life goes on from there."""
        try:
            await self.catch_up(partial=True, for_s=CLOSE_S)
        except (LogUnavailable, OSError) as error:
            log_.warning("the end of the log is not sealed: %s", error)
        async with self._busy:
            self._closed = True
            self._threads.shutdown(wait=False)

    def _seal(self, rows: Sequence[Stored]) -> None:
        self._file.append([seal(rows, self._file.last, self._key, at_ms=self._now_ms())])
