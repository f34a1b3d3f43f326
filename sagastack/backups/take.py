"""Take a backup beside a running controller: rows up to a fixed position, seals, sealed secrets.

Rows never change and appear in the order of their positions, so what lies up to the end that is
seen first is one consistent past, whatever is written meanwhile. Secrets are read after that end
is fixed: each is put into the sealed store before the event that names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from engine.log import Seal, Stored, codec, verify
from engine.log.merkle import leaf
from engine.log.tree import Grown, Tree
from sagastack.backups import shapes, sources
from sagastack.backups.lines import BackupError, LinesWriter, file_hash, read_lines
from sagastack.backups.shapes import Begin, End, SealLine
from sagastack.proofs.whose import refuse_others

Say = Callable[[int], None]
"""Told how many rows are done, now and then."""
EVERY = 50_000


class NotWhole(BackupError):
    """Log and seals do not fit each other."""


@dataclass(slots=True)
class Taken:
    path: Path
    sha256: str
    begin: Begin
    end: End
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a backup is taken since."""

    sha256: str
    begin: Begin
    end: End


def earlier(path: Path) -> Earlier:
    """A backup's beginning and end, if it is the file that was written."""
    named, first, last = file_hash(path), b"", b""
    for last in read_lines(path):
        first = first or last
    begin, end = shapes.decode(first), shapes.decode(last)
    if not isinstance(begin, Begin) or not isinstance(end, End):
        raise BackupError(f"{path} is no backup of sagastack")
    return Earlier(named, begin, end)


def take(
    url: str,
    home: Path,
    out: Path,
    *,
    at_ms: int,
    release: str,
    seals: Path | None = None,
    master: Path | None = None,
    since: Path | None = None,
    say: Say = lambda _: None,
) -> Taken:
    """Write a backup to `out`, a file, or a folder in which it gets a name that sorts.

    `seals` is the folder of the seals, where that is not the home; `master` the file of the key
    that opens the secrets, which is needed only where the key that signs is one of them.
    """
    before = earlier(since) if since else None
    with sources.Source(url) as source:
        position, cloud = source.end(), source.cloud_id()
        if cloud is None:
            raise BackupError("the log is empty: there is nothing to back up")
        if before is not None:
            _follows(source, position, before)
        begin = Begin(
            format=shapes.FORMAT,
            cloud=cloud,
            release=release,
            at_ms=at_ms,
            after=before.end.position if before else 0,
            parent=before.sha256 if before else "",
            tree=before.end.tree if before else Grown(),
        )
        if out.is_dir():
            out = out / name(begin, position)
        with LinesWriter(out) as file:
            file.add(shapes.encode(begin))
            parts = Parts(url, home, seals or home, master)
            return _Writing(file, begin, before, say).write(source, parts, position)


def name(begin: Begin, position: int) -> str:
    day = datetime.fromtimestamp(begin.at_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    since = f"-since-{begin.after:012d}" if begin.after else ""
    return f"sagastack-{str(begin.cloud)[:8]}-{position:012d}{since}-{day}.backup.gz"


def _follows(source: sources.Source, position: int, before: Earlier) -> None:
    """The log must still hold what the earlier backup ends with."""
    last = before.end.position
    row = source.row(last)
    if source.cloud_id() != before.begin.cloud:
        raise BackupError("the earlier backup is of another cloud: take a full one")
    if position < last or row is None or leaf(row).hex() != before.end.last:
        raise BackupError(
            f"the log does not hold, at position {last}, what the earlier backup ends with: it "
            "was restored or changed since; run `sagastack verify`, and take a full backup"
        )


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the parts of a cloud lie beside its rows."""

    url: str
    home: Path
    seals: Path
    master: Path | None


class _Writing:
    """One backup on its way into its file."""

    def __init__(self, file: LinesWriter, begin: Begin, before: Earlier | None, say: Say) -> None:
        self._file, self._begin, self._before, self._say = file, begin, before, say
        self._tree = Tree(begin.tree)
        self._last = before.end.last if before else ""
        self._at_ms = before.end.at_ms if before else 0

    def write(self, source: sources.Source, parts: Parts, position: int) -> Taken:
        chain = sources.chain_of(parts.url, parts.seals, parts.master)
        seals = [one for one in chain.seals if one.last <= position]
        new = self._new(seals)
        try:
            self._reaches(source.end(), chain.seals)
            notes = self._keep(source.rows(self._begin.after, position), seals, chain.public_key)
        except NotWhole:
            refuse_others(source, parts.url, parts.seals)
            raise
        for one in new:
            self._file.add(shapes.encode(SealLine(one)))
        kept = sources.secrets(parts.url, parts.home)
        for secret in kept:
            self._file.add(shapes.encode(secret))
        end = self._end(position, seals, len(kept), chain.public_key)
        signer = sources.signing_key(parts.seals, kept, parts.master)
        if signer is None:
            notes.append(f"seal.key is not in {parts.seals}, so this backup is not signed")
        elif signer.public_key().public_bytes_raw().hex() != chain.public_key:
            raise BackupError(f"seal.key in {parts.seals} is not the one of seal.pub: put it back")
        else:
            end = end.signed(signer)
        self._file.add(shapes.encode(end))
        return Taken(self._file.path, self._file.close(), self._begin, end, notes)

    @staticmethod
    def _reaches(end: int, seals: list[Seal]) -> None:
        """What is sealed was written before: seals that were read earlier than `end` end there."""
        if seals and seals[-1].last > end:
            raise NotWhole(
                f"the seals go on to position {seals[-1].last} and the log ends at {end}, so "
                "nothing was kept of it: run `sagastack verify`"
            )

    def _keep(self, rows: Iterable[Stored], seals: list[Seal], public_key: str) -> list[str]:
        """Write the rows. On its way through, a full backup proves what it keeps."""
        if self._before is not None or not public_key:
            for _ in self._through(rows):
                pass
            return [] if public_key else ["nothing is sealed yet: start the server once"]
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        findings = verify(self._through(rows), seals, key)
        if bad := [one.message for one in findings if one.fault]:
            raise NotWhole(f"the log is not whole, so nothing was kept of it: {bad[0]}")
        return [one.message for one in findings]

    def _through(self, rows: Iterable[Stored]) -> Iterator[Stored]:
        file, tree, hashed = self._file, self._tree, b""
        for stored in rows:
            self._at_ms = codec.at_ms(stored)
            file.add(shapes.encode(shapes.row(stored)))
            hashed = leaf(stored)
            tree.add(hashed)
            if tree.count % EVERY == 0:
                self._say(tree.count)
            yield stored
        self._last = hashed.hex() or self._last

    def _new(self, seals: list[Seal]) -> list[Seal]:
        """The seals that the earlier backup does not have."""
        if self._before is None or not self._before.end.seals:
            return seals
        known = self._before.end.seals
        if len(seals) < known or seals[known - 1].hash() != self._before.end.seal:
            raise BackupError("the chain of seals was begun anew since: take a full backup")
        return seals[known:]

    def _end(self, position: int, seals: list[Seal], secrets: int, public_key: str) -> End:
        return End(
            position=position,
            at_ms=self._at_ms,
            rows=self._tree.count - self._begin.tree.count,
            secrets=secrets,
            seals=len(seals),
            seal=seals[-1].hash() if seals else "",
            sealed_to=seals[-1].last if seals else 0,
            tree=self._tree.grown(),
            root=self._tree.root().hex(),
            last=self._last,
            lines=self._file.lines_hash(),
            public_key=public_key,
        )
