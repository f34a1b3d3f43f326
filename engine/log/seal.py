"""Seals prove the past: each signs the Merkle root of a stretch of the log and the seal before it.

A seal is one JSON line of `seals.jsonl`, next to the key that signs (Ed25519, RFC 8032). Anybody
who keeps a copy of the file and of the public key can prove later that nothing was changed,
dropped or slipped in, up to the last seal of their copy. The sealer follows the log off the event
loop; a crash costs nothing, as it goes on behind the last whole line.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from aggregates.base import Recorded
from engine.log.errors import LogError
from engine.log.log import Log
from engine.log.merkle import leaf, root
from engine.log.unit import Stored
from engine.private_files import write_private

STRETCH = 1_024
IDLE_S = 3.0
SEALS, PRIVATE_KEY, PUBLIC_KEY = "seals.jsonl", "seal.key", "seal.pub"


class SealsDamaged(LogError):
    """The file of seals cannot be continued: it was edited, or it belongs to another log."""


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """One line: positions `first` to `last`, how many rows, their root, the seal before, when."""

    number: int
    first: int
    last: int
    count: int
    root: str
    previous: str
    at_ms: int
    signature: str = ""

    def signed_bytes(self) -> bytes:
        return msgspec.json.encode(msgspec.structs.replace(self, signature=""))

    def hash(self) -> str:
        """What the next seal names as `previous`."""
        return sha256(msgspec.json.encode(self)).hexdigest()

    def signed_by(self, key: Ed25519PublicKey) -> bool:
        try:
            key.verify(bytes.fromhex(self.signature), self.signed_bytes())
        except (InvalidSignature, ValueError):
            return False
        return True


def seal(
    rows: Sequence[Stored], before: Seal | None, key: Ed25519PrivateKey, *, at_ms: int
) -> Seal:
    """Seal a stretch of rows behind the seal `before`."""
    bare = Seal(
        number=before.number + 1 if before else 1,
        first=rows[0].position,
        last=rows[-1].position,
        count=len(rows),
        root=root([leaf(row) for row in rows]).hex(),
        previous=before.hash() if before else "",
        at_ms=at_ms,
    )
    return msgspec.structs.replace(bare, signature=key.sign(bare.signed_bytes()).hex())


def read_seals(path: Path) -> list[Seal]:
    """The whole lines of the file. A last line that a crash cut short does not count."""
    return [_line(path, n, line) for n, line in enumerate(_whole_lines(path), 1)]


def load_public_key(home: Path) -> Ed25519PublicKey:
    """The key that proves the seals of this home."""
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex((home / PUBLIC_KEY).read_text()))


def load_private_key(home: Path) -> Ed25519PrivateKey:
    """The key that signs; made at the first use, for its owner only."""
    path = home / PRIVATE_KEY
    if not path.exists():
        made = Ed25519PrivateKey.generate()
        write_private(path, made.private_bytes_raw().hex().encode() + b"\n")
    try:
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text()))
    except ValueError as wrong:
        raise SealsDamaged(f"{path} is no Ed25519 key ({wrong}): restore it") from wrong
    (home / PUBLIC_KEY).write_text(key.public_key().public_bytes_raw().hex() + "\n")
    return key


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
        self._busy = asyncio.Lock()
        self._key, self._last = _take_up(home)

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
        return self._last.last if self._last else 0

    async def run(self, *, idle_s: float = IDLE_S) -> None:
        """Follow the log until cancelled."""
        while True:
            await self.catch_up(partial=False)
            try:
                async with asyncio.timeout(idle_s):
                    await self._heard.wait()
            except TimeoutError:
                await self.catch_up(partial=True)
            self._heard.clear()

    async def catch_up(self, *, partial: bool) -> int:
        """Seal what is not sealed yet, the rest that fills no stretch only with `partial`."""
        loop, made = asyncio.get_running_loop(), 0
        async with self._busy:
            while rows := await self._log.read_stored(self.position, limit=STRETCH):
                if len(rows) < STRETCH and not partial:
                    break
                await loop.run_in_executor(self._threads, self._seal, rows)
                made += 1
            return made

    async def close(self) -> None:
        """Seal the rest."""
        await self.catch_up(partial=True)
        self._threads.shutdown(wait=False)

    def _seal(self, rows: Sequence[Stored]) -> None:
        made = seal(rows, self._last, self._key, at_ms=self._now_ms())
        with (self._home / SEALS).open("ab") as file:
            file.write(msgspec.json.encode(made) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._last = made


def _take_up(home: Path) -> tuple[Ed25519PrivateKey, Seal | None]:
    """The key and the last seal; half a line that a crash left is cut off."""
    key, path = load_private_key(home), home / SEALS
    seals = read_seals(path)
    whole = sum(len(line) + 1 for line in _whole_lines(path))
    if path.exists() and path.stat().st_size > whole:
        os.truncate(path, whole)
    if seals and not seals[-1].signed_by(key.public_key()):
        raise SealsDamaged(
            f"the last seal of {path} was not signed by {home / PRIVATE_KEY}: "
            "restore the key, or move the seals away to begin a new chain"
        )
    return key, seals[-1] if seals else None


def _whole_lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def _line(path: Path, number: int, line: bytes) -> Seal:
    try:
        return msgspec.json.decode(line, type=Seal)
    except msgspec.MsgspecError as wrong:
        raise SealsDamaged(f"line {number} of {path} is no seal: {wrong}") from wrong
