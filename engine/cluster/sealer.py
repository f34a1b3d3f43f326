"""Several controllers seal one log: one at a time, with one key, on one chain, and all keep a copy.

The chain is in the database, the key that signs in the shared vault, and who seals is settled by a
lease. A sealer that is none any more cannot fork the chain: the table refuses it, and what it would
have sealed is sealed already. Each controller writes what is new into its own folder, where anybody
can copy it: the same files as a single controller's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from math import inf
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aggregates.base import Recorded
from engine.clock import Clock
from engine.cluster.duties import Duties
from engine.cluster.seal_table import SealTable
from engine.log.errors import LogError, LogUnavailable
from engine.log.log import Log
from engine.log.seal import (
    PRIVATE_KEY,
    STRETCH,
    Seal,
    SealFile,
    SealsDamaged,
    new_private_key,
    private_key,
    read_seals,
    seal,
    write_public_key,
)
from engine.log.sealer import CLOSE_S
from engine.log.unit import Stored
from engine.vault import Vault

log_ = logging.getLogger("sagastack.seals")

IDLE_S, COPY_S = 3.0, 1.0
DUTY = "sealer"
KEY_ID = uuid5(NAMESPACE_URL, "sagastack:seal key")


class SharedSealer:
    """Make it with `open`, keep `run` in a task group, and `close` it before the log and the vault.

    `fault` says why this controller's copy does not go on, if it does not.
    """

    def __init__(
        self, log: Log, table: SealTable, key: Ed25519PrivateKey, copy: SealFile, clock: Clock
    ) -> None:
        self._log, self._table, self._key, self._copy = log, table, key, copy
        self._clock = clock
        self._threads = ThreadPoolExecutor(1, "sealer")
        self._heard = asyncio.Event()
        self._busy, self._closed = asyncio.Lock(), False
        self._sealed_to = 0
        self.fault = ""
        log.listen(self._hear)

    @classmethod
    async def open(
        cls, log: Log, url: str, vault: Vault, folder: Path, clock: Clock
    ) -> SharedSealer:
        """Take up the shared chain, and this controller's copy of it in `folder`.

        The chain of a single controller becomes the shared one, if there is none yet.
        `SealsDamaged` when the copy is not of this chain, or the chain not of this log.
        """
        table = await SealTable.open(url)
        try:
            loop = asyncio.get_running_loop()
            copy = await loop.run_in_executor(None, _copy_in, folder)
            last = await table.last()
            if last is None and copy.last is not None:
                await _adopt(table, vault, folder, copy)
                last = await table.last()
            text = await vault.keep(new_private_key(), key=KEY_ID)
            key = private_key(text, "the key of the seals in the vault")
            await _belong(table, copy, last, key)
            end = await log.position()
            if last is not None and last.last > end:
                raise SealsDamaged(
                    f"{table.name} reach position {last.last} and the log ends at {end}: the log "
                    "was cut or replaced; restore it, or empty the table sagastack_seals"
                )
            await loop.run_in_executor(None, write_public_key, folder, key)
        except BaseException:
            await table.close()
            raise
        return cls(log, table, key, copy, clock)

    @property
    def position(self) -> int:
        """The last position that this controller's copy has under a seal."""
        return self._copy.last.last if self._copy.last else 0

    async def run(self, duties: Duties) -> None:
        """Seal whenever it is this controller's turn, and keep the copy, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(duties.while_held(DUTY, self._follow), name="sealer duty")
            group.create_task(self._copying(), name="copy of seals")

    async def catch_up(self, *, partial: bool, for_s: float = inf) -> int:
        """Seal what is not sealed yet, the rest that fills no stretch only with `partial`.

        Begins no stretch after `for_s` seconds, but for the first. Returns how many it sealed.
        """
        loop, made = asyncio.get_running_loop(), 0
        until_s = loop.time() + for_s
        async with self._busy:
            last = None if self._closed else await self._table.last()
            while not self._closed:
                rows = await self._log.read_stored(last.last if last else 0, limit=STRETCH)
                if not rows or (len(rows) < STRETCH and not partial):
                    break
                now_ms = self._clock.now_ms()
                one = await loop.run_in_executor(self._threads, self._seal, rows, last, now_ms)
                if not await self._table.append(one):
                    break  # another sealed meanwhile: this one's view is old
                last, made = one, made + 1
                self._sealed_to = one.last
                if loop.time() >= until_s:
                    break
        return made

    async def copy(self) -> int:
        """Write the seals that are new into this controller's folder; how many there were."""
        loop, written = asyncio.get_running_loop(), 0
        async with self._busy:
            if not self._closed:
                await loop.run_in_executor(self._threads, self._copy.look)
            while not self._closed:
                last = self._copy.last
                found = await self._table.after(last.number if last else 0)
                if not found:
                    break
                _prove(found, last, self._key, self._table.name)
                await loop.run_in_executor(self._threads, self._copy.append, found)
                self._sealed_to = max(self._sealed_to, found[-1].last)
                written += len(found)
        return written

    async def close(self) -> None:
        """Seal the rest, for `CLOSE_S` at most, and copy it; whoever seals next goes on."""
        try:
            await self.catch_up(partial=True, for_s=CLOSE_S)
            if not self.fault:
                await self.copy()
        except (LogError, OSError) as error:
            log_.warning("the end of the log is not sealed, or not copied: %s", error)
        async with self._busy:
            self._closed = True
            await self._table.close()
            self._threads.shutdown(wait=False)

    def _hear(self, batch: Sequence[Recorded]) -> None:
        """Wake up once a stretch may be full."""
        if batch[-1].position - self._sealed_to >= STRETCH:
            self._heard.set()

    async def _follow(self, token: int) -> None:
        """Follow the log: full stretches at once, a part of one when it was quiet for a while."""
        quiet = False
        while True:
            with suppress(LogUnavailable):
                await self.catch_up(partial=quiet)
            quiet = False
            try:
                async with asyncio.timeout(IDLE_S):
                    await self._heard.wait()
            except TimeoutError:
                quiet = True
            self._heard.clear()

    async def _copying(self) -> None:
        while not self.fault:
            with suppress(LogUnavailable):
                try:
                    await self.copy()
                except SealsDamaged as wrong:
                    self.fault = str(wrong)
                    log_.error("this controller's copy of the seals does not go on: %s", wrong)
                except OSError as wrong:
                    log_.warning("this controller's copy of the seals waits: %s", wrong)
            await self._clock.sleep(COPY_S)

    def _seal(self, rows: Sequence[Stored], last: Seal | None, now_ms: int) -> Seal:
        return seal(rows, last, self._key, at_ms=now_ms)


def _copy_in(folder: Path) -> SealFile:
    folder.mkdir(parents=True, exist_ok=True)
    return SealFile(folder)


async def _adopt(table: SealTable, vault: Vault, folder: Path, copy: SealFile) -> None:
    """Make the chain of a single controller, or of a restored cloud, the shared one.

    The former has its key beside the seals; the latter may have it in its vault.
    """
    path = folder / PRIVATE_KEY
    text = await asyncio.get_running_loop().run_in_executor(None, _text, path)
    if text is None:
        with suppress(KeyError):
            text = await vault.get(KEY_ID)
    if text is None:
        raise SealsDamaged(
            f"{table.name} are none yet, and {copy.path} is there without its {path.name}: put the "
            "key back to go on with that chain, or move the seals away to begin a new one"
        )
    key = private_key(text, str(path))
    if copy.last is None or not copy.last.signed_by(key.public_key()):
        raise SealsDamaged(
            f"the last seal of {copy.path} was not signed by {path}: restore the key, or move the "
            "seals away to begin a new chain"
        )
    if await vault.keep(text, key=KEY_ID) != text:
        raise SealsDamaged(
            f"the controllers on this database seal with another key than {path}: move "
            f"{copy.path} away, it is another chain"
        )
    seals = await asyncio.get_running_loop().run_in_executor(None, read_seals, copy.path)
    await table.append(*seals)


def _text(path: Path) -> str | None:
    return path.read_text().strip() if path.exists() else None


async def _belong(
    table: SealTable, copy: SealFile, last: Seal | None, key: Ed25519PrivateKey
) -> None:
    """Refuse a chain that was not made with this key, and a copy that is not of this chain."""
    if last is not None and not last.signed_by(key.public_key()):
        raise SealsDamaged(
            f"the last one of {table.name} was not signed by the key in the vault: restore the "
            "database as a whole"
        )
    if copy.last is None:
        return
    if await table.at(copy.last.number) != copy.last:
        raise SealsDamaged(
            f"{copy.path} ends with seal {copy.last.number}, and {table.name} have another or none "
            "there: the database was replaced by an older one, or this is a copy of another chain; "
            "restore the database, or move the copy away and have the chain written anew"
        )


def _prove(found: Sequence[Seal], last: Seal | None, key: Ed25519PrivateKey, name: str) -> None:
    """Take no seal into a copy that does not continue it."""
    public = key.public_key()
    for one in found:
        number, previous = (last.number + 1, last.hash()) if last else (1, "")
        if (one.number, one.previous) != (number, previous) or not one.signed_by(public):
            raise SealsDamaged(f"seal {one.number} of {name} does not continue seal {number - 1}")
        last = one
