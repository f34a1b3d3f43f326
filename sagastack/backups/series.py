"""A full backup and those that follow it, read as one log, with everything checked on the way.

Give the files in their order. What is wrong is told by name: a file that was cut or changed, one
that does not follow the one before, a row that is not what its file's end vouches for.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from engine.log import Seal, Stored
from engine.log.errors import DAMAGED
from engine.log.merkle import leaf
from engine.log.tree import Tree
from sagastack.backups import shapes
from sagastack.backups.lines import BackupError, file_hash, read_lines
from sagastack.backups.shapes import Begin, End, Line, Row, SealLine, Secret


@dataclass(frozen=True, slots=True)
class Series:
    """The ends of a series that holds together. `secrets` are those of the newest file."""

    paths: tuple[Path, ...]
    begin: Begin
    end: End
    seals: tuple[Seal, ...]
    secrets: tuple[Secret, ...]
    signed: bool
    taken_at_ms: int

    def rows(self, until: int | None = None) -> Iterator[Stored]:
        """All rows again, without a check: only after a reader has been through them."""
        for path in self.paths:
            for line in read_lines(path):
                if not line.startswith(b'{"is":"row"'):
                    continue
                one = shapes.decode(line)
                assert isinstance(one, Row)
                if until is not None and one.position > until:
                    return
                yield one.stored()


class Reader:
    """Reads a series. Seals and key are known at once; go through `rows`, then ask `series`."""

    def __init__(self, paths: Sequence[Path]) -> None:
        if not paths:
            raise BackupError("name at least one backup")
        self._paths = tuple(paths)
        self._hashes = [file_hash(path) for path in paths]
        self.seals: list[Seal] = []
        self.public_key = ""
        for path in paths:
            seals, self.public_key = _scan(path)
            self.seals += seals
        self._before: tuple[str, End] | None = None
        self._first: Begin | None = None
        self._seals = 0
        self._secrets: list[Secret] = []
        self._signed = True
        self._taken_at_ms = 0

    def rows(self) -> Iterator[Stored]:
        """Every row in order. BackupError as soon as something does not hold together."""
        for path, named in zip(self._paths, self._hashes, strict=True):
            self._secrets = []
            end = yield from self._file(path)
            self._before = (named, end)

    def series(self) -> Series:
        assert self._first is not None and self._before is not None, "read the rows first"
        return Series(
            self._paths,
            self._first,
            self._before[1],
            tuple(self.seals),
            tuple(self._secrets),
            self._signed,
            self._taken_at_ms,
        )

    def _file(self, path: Path) -> Generator[Stored, None, End]:
        lines, digest = read_lines(path), sha256()
        first = next(lines, b"")
        begin = _decode(path, first)
        if not isinstance(begin, Begin):
            raise BackupError(f"{path} does not begin as a backup does")
        self._follows(path, begin)
        self._taken_at_ms = begin.at_ms
        tree, end, last = Tree(begin.tree), None, ""
        digest.update(first + b"\n")
        for line in lines:
            if end is not None:
                raise BackupError(f"{path} goes on behind its end")
            match one := _decode(path, line):
                case Row():
                    stored = one.stored()
                    hashed = leaf(stored)
                    tree.add(hashed)
                    last = hashed.hex()
                    yield stored
                case SealLine():
                    self._seals += 1
                case Secret():
                    self._secrets.append(one)
                case End():
                    end = one
                    continue
                case Begin():
                    raise BackupError(f"{path} begins twice")
            digest.update(line + b"\n")
        if end is None:
            raise BackupError(f"{path} has no end: it was cut short")
        self._vouch(path, begin, end, tree, digest.hexdigest(), last)
        return end

    def _follows(self, path: Path, begin: Begin) -> None:
        if begin.format > shapes.FORMAT:
            raise BackupError(f"{path} was written by release {begin.release}: use that one")
        if self._before is None:
            if begin.after:
                raise BackupError(
                    f"{path} begins behind position {begin.after}: name the full backup, and those "
                    "that came between, before it"
                )
            self._first = begin
            return
        assert self._first is not None
        named, end = self._before
        if begin.cloud != self._first.cloud:
            raise BackupError(f"{path} is of cloud {begin.cloud}, not {self._first.cloud}")
        if (begin.parent, begin.after, begin.tree) != (named, end.position, end.tree):
            raise BackupError(
                f"{path} does not follow the file before it, which ends at position {end.position}:"
                f" it was taken since position {begin.after} of the file with hash {begin.parent}"
            )

    def _vouch(self, path: Path, begin: Begin, end: End, tree: Tree, lines: str, last: str) -> None:
        """The end tells what all before it must be."""
        if lines != end.lines:
            raise BackupError(f"{path}: its lines are not those that its end vouches for")
        rows = tree.count - begin.tree.count
        if (rows, tree.grown(), tree.root().hex()) != (end.rows, end.tree, end.root):
            raise BackupError(f"{path}: its rows are not those that its end vouches for")
        if rows and last != end.last:
            raise BackupError(f"{path}: its last row is not the one that its end vouches for")
        if (self._seals, len(self._secrets)) != (end.seals, end.secrets):
            raise BackupError(f"{path}: seals or secrets are missing that its end vouches for")
        if not end.signature:
            self._signed = False
        elif not end.public_key or not end.signed_by(
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(end.public_key))
        ):
            raise BackupError(f"{path} was not signed by the key that it names")


def _decode(path: Path, line: bytes) -> Line:
    try:
        return shapes.decode(line)
    except DAMAGED as wrong:
        raise BackupError(f"{path} holds a line that is none of a backup's: {wrong}") from wrong


def _scan(path: Path) -> tuple[list[Seal], str]:
    """The seals of a file and the key that it names: both lie behind its rows."""
    seals, public_key = [], ""
    for line in read_lines(path):
        if line.startswith(b'{"is":"seal"') and isinstance(one := _decode(path, line), SealLine):
            seals.append(one.seal)
        elif line.startswith(b'{"is":"end"') and isinstance(one := _decode(path, line), End):
            public_key = one.public_key
    return seals, public_key
