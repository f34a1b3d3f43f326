"""Seals prove the past: each signs the Merkle root of a stretch of the log and the seal before it.

A seal is one JSON line of `seals.jsonl`, next to the key that signs (Ed25519, RFC 8032). Anybody
who keeps a copy of the file and of the public key can prove later that nothing was changed,
dropped or slipped in, up to the last seal of their copy.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from engine.log.errors import DAMAGED, LogError
from engine.log.merkle import leaf, root
from engine.log.unit import Stored
from engine.private_files import write_private

STRETCH = 1_024
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
        write_private(path, new_private_key().encode() + b"\n")
    key = private_key(path.read_text(), str(path))
    write_public_key(home, key)
    return key


def new_private_key() -> str:
    """A key that signs, as it is kept."""
    return Ed25519PrivateKey.generate().private_bytes_raw().hex()


def private_key(text: str, name: str) -> Ed25519PrivateKey:
    try:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text))
    except ValueError as wrong:
        raise SealsDamaged(f"{name} is no Ed25519 key ({wrong}): restore it") from wrong


def write_public_key(folder: Path, key: Ed25519PrivateKey) -> None:
    """Put the key that proves the seals beside them, where it is not: a start on a full disk has
    nothing to write."""
    path, text = folder / PUBLIC_KEY, key.public_key().public_bytes_raw().hex() + "\n"
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


class SealFile:
    """The seals in a folder beside the key that proves them: the chain, or a copy of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / SEALS
        self.last: Seal | None = None
        self._is_known = False
        self.look()

    def look(self) -> None:
        """Know what is in the file, also after a write that failed: whole lines of it count, as
        somebody may have copied them, and half a line is cut off, as one that a crash left."""
        if self._is_known:
            return
        seals = read_seals(self.path)
        whole = sum(len(line) + 1 for line in _whole_lines(self.path))
        if self.path.exists():
            with self.path.open("r+b") as file:
                if file.seek(0, os.SEEK_END) > whole:
                    file.truncate(whole)
                os.fsync(file.fileno())
        self.last = seals[-1] if seals else None
        self._is_known = True

    def append(self, seals: Sequence[Seal]) -> None:
        """Add lines; they are on disk when this returns. Should it fail, `look` before the next."""
        assert self._is_known, "an earlier write failed: look at what it left"
        self._is_known = False
        with self.path.open("ab") as file:
            file.write(b"".join(msgspec.json.encode(one) + b"\n" for one in seals))
            file.flush()
            os.fsync(file.fileno())
        self.last, self._is_known = seals[-1], True


def _whole_lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def _line(path: Path, number: int, line: bytes) -> Seal:
    try:
        return msgspec.json.decode(line, type=Seal)
    except DAMAGED as wrong:
        raise SealsDamaged(
            f"line {number} of {path} is no seal ({wrong}): put your copy of it back"
        ) from wrong
