"""Check a tenant's proof offline: only the file and the public key are needed.

What holds if nothing is found: each event shown lies, byte for byte, at its place under a seal that
the key signed; in each of the tenant's streams no event is left out before the last one shown; and
the operator signed that these are all. That the operator told the truth in that is not proved to
the tenant: the log can be held against the statement (`own_root`), a later proof against this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from engine.log import LogError, Seal, Stored, codec
from engine.log.merkle import leaf
from engine.log.tree import Tree, climb
from sagastack.backups.lines import file_hash, read_lines
from sagastack.backups.shapes import fingerprint
from sagastack.backups.sources import Chain
from sagastack.proofs import shapes
from sagastack.proofs.owners import gives
from sagastack.proofs.shapes import Own, Proof, Sealed, Stated
from sagastack.proofs.whole import MOST_FAULTS, Verified

STATED = (
    "proved: these events are unchanged, at their places, and without a gap in any thing's life; "
    "stated and signed by the operator, not proved: that they are all"
)


@dataclass
class Checked:
    """`stated` is None where the file did not come to its end."""

    result: Verified
    stated: Stated | None = None


def is_proof(path: Path) -> bool:
    """Whether a file is a tenant's proof, or something else."""
    try:
        return next(read_lines(path), b"").startswith(b'{"is":"proof"')
    except (OSError, LogError):
        return False


def check(paths: Sequence[Path], kept: Chain | None) -> Checked:
    """Check proofs of one account, the oldest first: each must hold all that the last one held."""
    before: Stated | None = None
    done = Checked(Verified())
    for path in paths:
        checking = _Checking(path, kept, before)
        done = checking.run()
        if done.result.faults:
            return done
        before = done.stated
    return done


@dataclass
class _Checking:
    path: Path
    kept: Chain | None
    before: Stated | None
    result: Verified = field(default_factory=lambda: Verified(what="proof"))
    begin: Proof | None = None
    stated: Stated | None = None
    seal: Seal | None = None
    index: int = -1
    tree: Tree = field(default_factory=Tree)
    versions: dict[UUID, int] = field(default_factory=dict)
    key: Ed25519PublicKey | None = None

    def run(self) -> Checked:
        digest = sha256()
        try:
            file_hash(self.path)
            for line in read_lines(self.path):
                self._line(shapes.decode(line), digest.hexdigest())
                digest.update(line + b"\n")
        except (LogError, msgspec.MsgspecError, ValueError) as damaged:
            self._fault(str(damaged))
        if self.stated is None and not self.result.faults:
            self._fault(f"{self.path} has no statement at its end")
        self.result.events, self.result.root = self.tree.count, self.tree.root().hex()
        if not self.result.faults:
            self._tell()
        return Checked(self.result, self.stated)

    def _fault(self, text: str) -> None:
        if len(self.result.faults) < MOST_FAULTS:
            self.result.faults.append(text)

    def _line(self, one: shapes.Line, lines: str) -> None:
        if (self.begin is None) != isinstance(one, Proof):
            raise LogError(f"{self.path} does not begin as a proof does, or begins twice")
        if self.stated is not None:
            raise LogError(f"{self.path} goes on behind its statement")
        match one:
            case Proof():
                self._begin(one)
            case Sealed(seal):
                self._sealed(seal)
            case Own():
                self._event(one)
            case Stated():
                self._end(one, lines)

    def _begin(self, begin: Proof) -> None:
        self.begin = begin
        if begin.format > shapes.FORMAT:
            raise LogError(f"{self.path} was written by release {begin.release}: use that one")
        public_key = self.kept.public_key if self.kept else begin.public_key
        if begin.public_key != public_key:
            self._fault(
                f"the proof names the key {fingerprint(begin.public_key)}, the copy's is "
                f"{fingerprint(public_key)}: it was signed by somebody else"
            )
        self.key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        last = self.before
        if last is not None and (last.cloud, last.account) != (begin.cloud, begin.account):
            raise LogError(f"{self.path} is of another account or cloud than the one before")

    def _sealed(self, seal: Seal) -> None:
        before, self.seal, self.index = self.seal, seal, -1
        self.result.seals += 1
        self._signed(seal)
        if before is not None and (
            seal.number <= before.number
            or seal.first <= before.last
            or (seal.number == before.number + 1 and seal.previous != before.hash())
        ):
            self._fault(f"position {seal.first}: seal {seal.number} does not follow the one before")

    def _signed(self, seal: Seal) -> None:
        """By the key, and the same that the copy has under its number."""
        assert self.key is not None
        if not seal.signed_by(self.key):
            self._fault(f"position {seal.first}: seal {seal.number} is not signed by this key")
        copies = self.kept.seals[seal.number - 1 : seal.number] if self.kept else []
        if copies and copies[0].hash() != seal.hash():
            self._fault(f"position {seal.first}: seal {seal.number} is not the one in the copy")

    def _event(self, own: Own) -> None:
        row, seal = own.stored(), self.seal
        if seal is None:
            raise LogError(f"position {row.position}: an event that no seal covers")
        hashed = leaf(row)
        found = climb(hashed, own.index, seal.count, [bytes.fromhex(one) for one in own.path])
        if found is None or found.hex() != seal.root:
            self._fault(f"position {row.position}: the event is not what seal {seal.number} covers")
        if own.index <= self.index or not seal.first <= row.position <= seal.last:
            self._fault(f"position {row.position}: the event is out of its order")
        self.index = own.index
        self.tree.add(hashed)
        self._life(row)
        if self.before is not None and self.tree.count == self.before.events:
            self._extends(self.before)

    def _life(self, row: Stored) -> None:
        """A stream is shown from its beginning, or from where it came to this account."""
        assert self.begin is not None
        expected = self.versions.get(row.stream, 0) + 1
        if row.version != expected and gives(codec.decode(row).event) != self.begin.account:
            self._fault(
                f"position {row.position}: versions {expected} to {row.version - 1} of "
                f"{row.stream} are left out"
            )
        self.versions[row.stream] = row.version

    def _extends(self, before: Stated) -> None:
        if self.tree.root().hex() != before.root:
            self._fault(
                f"the first {before.events} events are not those of the proof before: one was "
                "left out, or another slipped in"
            )

    def _end(self, stated: Stated, lines: str) -> None:
        assert self.begin is not None and self.key is not None
        self.stated = stated
        if not stated.signed_by(self.key):
            self._fault("the statement is not signed by this key")
        if stated.lines != lines or (stated.account, stated.cloud) != (
            self.begin.account,
            self.begin.cloud,
        ):
            self._fault("the statement is not about the lines before it")
        if (stated.events, stated.root) != (self.tree.count, self.tree.root().hex()):
            self._fault(f"{stated.events} events were stated, others are here")
        self._signed(stated.seal)
        if self.seal is not None and self.seal.number > stated.seal.number:
            self._fault("there are events behind the seal up to which the statement goes")
        if self.before is not None and (
            stated.events < self.before.events or stated.seal.number < self.before.seal.number
        ):
            self._fault("events that the proof before held are left out, or it is the newer one")
        self.result.position = self.result.sealed_to = stated.seal.last

    def _tell(self) -> None:
        assert self.begin is not None and self.stated is not None
        self.result.at_ms = self.stated.seal.at_ms
        self.result.notes.append(STATED)
        self.result.notes.append(
            f"account {self.stated.account} of cloud {self.stated.cloud}, up to position "
            f"{self.stated.seal.last}, seal {self.stated.seal.number}"
        )
        if self.kept is None:
            self.result.notes.append(
                f"checked by the key {fingerprint(self.begin.public_key)} that the proof itself "
                "holds: name a copy that you trust with --seals"
            )
