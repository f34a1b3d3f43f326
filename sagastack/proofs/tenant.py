"""Write down what is one tenant's, so that it can be proved without anybody else's.

One pass over the log, a seal's stretch at a time. Of others' events the file holds hashes only:
those beside the tenant's on their way to the root that is signed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Raw

from engine.log import Seal, Stored, codec
from engine.log.merkle import leaf
from engine.log.tree import Stretch, Tree
from sagastack.backups import sources
from sagastack.backups.lines import BackupError, LinesWriter
from sagastack.proofs import shapes
from sagastack.proofs.owners import Owners
from sagastack.proofs.shapes import Own, Proof, Sealed, Stated
from sagastack.proofs.whole import Say
from sagastack.proofs.whose import refuse_others

EVERY = 50_000


class CannotProve(BackupError):
    """What is asked for cannot be proved; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Proved:
    path: Path
    sha256: str
    stated: Stated
    unsealed: int
    """Events of the tenant behind the last seal: they are in no proof yet."""


def write(
    url: str,
    seals: Path,
    account: UUID,
    out: Path,
    *,
    at_ms: int,
    release: str,
    signer: Ed25519PrivateKey | None,
    say: Say = lambda _: None,
) -> Proved:
    """Write the proof of one account's events; `seals` is the folder of seals and their key.

    CannotProve where something of it does not hold.
    """
    kept = sources.chain_of(url, seals)
    if not kept.seals:
        raise CannotProve("nothing is sealed yet, so nothing can be proved: start the server once")
    if signer is None or signer.public_key().public_bytes_raw().hex() != kept.public_key:
        raise CannotProve(f"the key of the seals is not in {seals}: put seal.key back")
    with sources.Source(url) as source, LinesWriter(out) as file:
        cloud = source.cloud_id()
        assert cloud is not None, "there are seals"
        begin = Proof(
            format=shapes.FORMAT,
            cloud=cloud,
            account=account,
            release=release,
            at_ms=at_ms,
            public_key=kept.public_key,
        )
        file.add(shapes.encode(begin))
        events, tree = _Events(account, say), Tree()
        rows = source.rows()
        try:
            for seal, stretch in stretches(rows, kept.seals):
                for line in events.lines(seal, stretch, tree):
                    file.add(shapes.encode(line))
        except CannotProve:
            refuse_others(source, url, seals)
            raise
        unsealed = sum(events.own(row) for row in rows)
        if not events.known:
            raise CannotProve(f"the log knows no account {account}: give its id")
        stated = Stated(
            cloud=cloud,
            account=account,
            events=tree.count,
            root=tree.root().hex(),
            seal=kept.seals[-1],
            at_ms=at_ms,
            lines=file.lines_hash(),
        ).signed(signer)
        file.add(shapes.encode(stated))
        return Proved(file.path, file.close(), stated, unsealed)


def own_root(url: str, stated: Stated, say: Say = lambda _: None) -> tuple[int, str]:
    """How many events the log itself says are the account's up to that seal, and their root."""
    events, tree = _Events(stated.account, say), Tree()
    with sources.Source(url) as source:
        for row in source.rows(0, stated.seal.last):
            if events.own(row):
                tree.add(leaf(row))
    return tree.count, tree.root().hex()


def stretches(rows: Iterator[Stored], seals: list[Seal]) -> Iterator[tuple[Seal, list[Stored]]]:
    """The rows under each seal, which must be what was sealed. Leaves `rows` behind the last."""
    for seal in seals:
        # Positions have no holes, so the stretch ends with its last position.
        stretch: list[Stored] = []
        for row in rows:
            stretch.append(row)
            if row.position >= seal.last:
                break
        yield seal, stretch


class _Events:
    def __init__(self, account: UUID, say: Say) -> None:
        self._account, self._say = account, say
        self._owners = Owners()
        self._rows = 0
        self.known = False

    def own(self, row: Stored) -> bool:
        """Whether the next row of the log is the account's."""
        self._rows += 1
        if self._rows % EVERY == 0:
            self._say(self._rows)
        self.known = self.known or row.stream == self._account
        return self._owners.owner(codec.decode(row)) == self._account

    def lines(self, seal: Seal, stretch: list[Stored], tree: Tree) -> Iterator[Sealed | Own]:
        own = [index for index, row in enumerate(stretch) if self.own(row)]
        leaves = [leaf(row) for row in stretch]
        levels = Stretch(leaves)
        if len(stretch) != seal.count or levels.root().hex() != seal.root:
            raise CannotProve(
                f"positions {seal.first} to {seal.last} are not what seal {seal.number} covers: "
                "run `sagastack verify`"
            )
        if own:
            yield Sealed(seal)
        for index in own:
            tree.add(leaves[index])
            beside = [one.hex() for one in levels.path(index)]
            position, stream, version, topic, state = stretch[index]
            yield Own(index, beside, position, stream, version, topic, Raw(state))
