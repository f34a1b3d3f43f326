"""Prove, offline, that a log is whole: only rows, seals and the public key are needed.

One pass over the rows in the order of their positions. What is found is told; nothing is mended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from engine.log.merkle import leaf, root
from engine.log.seal import Seal
from engine.log.unit import Stored

Kind = Literal["order", "gap", "stream", "chain", "signature", "content", "missing", "unsealed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, at a position of the log.

    `unsealed` alone is no fault: rows behind the last seal, as a running or crashed server has
    them. The server seals them when it is quiet, at its stop, and at its next start.
    """

    kind: Kind
    position: int
    message: str

    @property
    def fault(self) -> bool:
        return self.kind != "unsealed"


def verify(
    rows: Iterable[Stored],
    seals: Sequence[Seal],
    public_key: Ed25519PublicKey,
) -> list[Finding]:
    """Everything that is wrong; an empty list proves the log."""
    findings = list(_check_chain(seals, public_key))
    stretches, tail = iter(seals), 0
    current, leaves = next(stretches, None), list[bytes]()
    for row in _check_rows(rows, findings):
        while current is not None and row.position > current.last:
            findings += _check_stretch(current, leaves)
            current, leaves = next(stretches, None), []
        if current is None:
            tail += 1
        else:
            leaves.append(leaf(row))
    while current is not None:
        findings += _check_stretch(current, leaves)
        current, leaves = next(stretches, None), []
    if tail:
        end = seals[-1].last if seals else 0
        findings.append(Finding("unsealed", end, f"{tail} events behind {end} are not sealed yet"))
    return findings


def _check_rows(rows: Iterable[Stored], findings: list[Finding]) -> Iterator[Stored]:
    """Positions rise one by one, and so do the versions of each stream."""
    versions: dict[UUID, int] = {}
    position = 0
    for row in rows:
        if row.position <= position:
            text = f"position {row.position} comes behind {position}"
            findings.append(Finding("order", row.position, text))
        elif row.position != position + 1:
            text = f"positions {position + 1} to {row.position - 1} are missing"
            findings.append(Finding("gap", row.position, text))
        expected = versions.get(row.stream, 0) + 1
        if row.version != expected:
            text = f"stream {row.stream} goes on with version {row.version}, not {expected}"
            findings.append(Finding("stream", row.position, text))
        versions[row.stream] = row.version
        position = row.position
        yield row


def _check_chain(seals: Sequence[Seal], key: Ed25519PublicKey) -> Iterator[Finding]:
    """Each seal is signed, names the one before, and begins behind its end."""
    before: Seal | None = None
    for one in seals:
        what = f"seal {one.number} (positions {one.first} to {one.last})"
        if not one.signed_by(key):
            yield Finding("signature", one.first, f"{what} is not signed by this key")
        number, previous, last = (
            (before.number + 1, before.hash(), before.last) if before else (1, "", 0)
        )
        if (one.number, one.previous) != (number, previous) or not last < one.first <= one.last:
            yield Finding("chain", one.first, f"{what} does not follow the seal before it")
        before = one


def _check_stretch(one: Seal, leaves: Sequence[bytes]) -> Iterator[Finding]:
    what = f"positions {one.first} to {one.last}, seal {one.number}"
    if len(leaves) != one.count:
        text = f"{what}: {one.count} events were sealed, {len(leaves)} are here"
        yield Finding("missing", one.first, text)
    elif root(leaves).hex() != one.root:
        yield Finding("content", one.first, f"{what}: an event is not what was sealed")
