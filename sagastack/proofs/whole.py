"""Prove a log, wherever its rows come from: the store, a backup, an export.

One pass. Seals against rows, every stream in its order, every event against its schema, every life
against its rules. What is found is told by position; nothing is mended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from engine.log import LogError, Seal, Stored, codec, verify
from engine.log.merkle import leaf
from engine.log.tree import Tree
from sagastack.proofs.lives import Lives

Say = Callable[[int], None]
EVERY = 20_000
MOST_FAULTS = 100
NO_SEAL = (
    "there is no seal, so nothing proves these events: a server seals them within seconds; if "
    "there were seals, name the folder of your copy with --seals"
)


@dataclass(slots=True)
class Verified:
    """`faults` prove damage; `notes` (such as events that no seal covers yet) do not.

    `sealed_to` is the last position that a seal covers, `root` the Merkle root of all rows.
    """

    what: str = "log"
    events: int = 0
    seals: int = 0
    position: int = 0
    sealed_to: int = 0
    at_ms: int = 0
    root: str = ""
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.faults

    def told(self) -> dict[str, object]:
        """For programs."""
        return {
            "ok": self.ok,
            "what": self.what,
            "events": self.events,
            "seals": self.seals,
            "position": self.position,
            "sealed_to": self.sealed_to,
            "root": self.root,
            "faults": self.faults,
            "notes": self.notes,
        }


def prove(
    rows: Iterable[Stored],
    seals: Sequence[Seal],
    public_key: str,
    *,
    needs_seals: bool = True,
    say: Say = lambda _: None,
) -> Verified:
    """Everything that is wrong with these rows under these seals."""
    result = Verified(seals=len(seals), sealed_to=seals[-1].last if seals else 0)
    through = _Through(result, say)
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key) or bytes(32))
    for finding in verify(through.rows(rows), seals, key):
        text = f"position {finding.position}: {finding.message}"
        (result.faults if finding.fault else result.notes).append(text)
    if not seals and result.events and needs_seals:
        result.faults.append(NO_SEAL)
    result.faults += through.faults
    result.root = through.tree.root().hex()
    return result


class _Through:
    """Looks at each row as it passes."""

    def __init__(self, result: Verified, say: Say) -> None:
        self._result, self._say = result, say
        self._lives = Lives()
        self.tree = Tree()
        self.faults: list[str] = []

    def rows(self, rows: Iterable[Stored]) -> Iterator[Stored]:
        result = self._result
        for row in rows:
            result.events += 1
            result.position = row.position
            self.tree.add(leaf(row))
            self._look(row)
            if result.events % EVERY == 0:
                self._say(result.events)
            yield row

    def _look(self, row: Stored) -> None:
        if len(self.faults) >= MOST_FAULTS:
            return
        try:
            recorded = codec.decode(row)
            fault = self._lives.fault(recorded)
            self._result.at_ms = recorded.at_ms
        except LogError as unreadable:
            fault = str(unreadable)
        if fault:
            self.faults.append(fault)


def extends(kept: Sequence[Seal], now: Sequence[Seal]) -> list[str]:
    """Faults where the seals of today are not those of an earlier copy, and what came behind."""
    if not now:
        return []
    for old, new in zip(kept, now, strict=False):
        if old.hash() != new.hash():
            return [
                f"position {old.first}: seal {old.number} is not the one in the copy: the log was "
                "sealed anew since, with another content or another key"
            ]
    if len(now) < len(kept):
        missing = kept[len(now)]
        return [
            f"position {missing.first}: the seals from number {missing.number} on are gone; the "
            "copy has them"
        ]
    return []
