"""Restore a log into an empty store, whole or up to a moment, with every hash checked first.

Nothing is written before the backups, their seals and the master key have been proved. Then the
data folder is marked and filled, and the rows enter the store all at once. An interrupted restore
is taken up by the same command; what lies there at its end is read back and proved again.

A restored log continues the past differently from what others have read behind that point. So it
says itself that it is another cloud from there on, in its own next event, unless it is to remain
the same one: then it must be the whole log of a cloud that writes no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from uuid import UUID

import msgspec

from aggregates.identity import IDENTITY, IdentityRestored
from engine.log import Append, Stored, Unit, codec
from engine.log.merkle import leaf
from engine.log.seal import PRIVATE_KEY, SEALS
from engine.log.tree import Tree
from sagastack.backups import home as homes
from sagastack.backups import shapes
from sagastack.backups.home import Marker
from sagastack.backups.lines import BackupError
from sagastack.backups.series import Reader, Series
from sagastack.backups.sources import Source
from sagastack.backups.targets import Target, target
from sagastack.proofs.whole import Say, Verified, prove


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to restore, and to where. `position` or `at_ms` is the moment; neither: all there is.

    `seals` is the folder of the seals, `keys` the one with the master key. `new_id` names the
    restored cloud; None: it stays the same cloud.
    """

    files: Sequence[Path]
    into: str
    home: Path
    seals: Path
    keys: Path
    position: int | None = None
    at_ms: int | None = None
    new_id: UUID | None


@dataclass(slots=True)
class Restored:
    """`position` is the last row that came from the backup; `proved` is what was read back."""

    into: str
    position: int
    at_ms: int
    left_out: int
    sealed_to: int
    former: UUID
    cloud: UUID
    resumed: bool
    proved: Verified
    notes: list[str] = field(default_factory=list)


class Common(msgspec.Struct, frozen=True):
    """What all rows of one commit share; `do` stands in its first row alone."""

    at: int
    by: str = ""
    acct: str = ""
    saga: str = ""
    do: str = ""


_common = msgspec.json.Decoder(Common).decode


@dataclass(slots=True)
class Cut:
    """Where the restored log ends, found while its rows pass: always between two commits."""

    wish: Wish
    position: int = 0
    at_ms: int = 0
    identities: int = 0
    end: int = 0
    tree: Tree = field(default_factory=Tree)
    past: bool = False

    def through(self, rows: Iterator[Stored]) -> Iterator[Stored]:
        before, tree, identities = Common(0), Tree(), 0
        for row in rows:
            now = _common(row.state)
            if self.end and (now.do or before != msgspec.structs.replace(now, do="")):
                self._boundary(tree, before, identities)
            if not self._wanted(row.position, now.at):
                self.past = True
            tree.add(leaf(row))
            identities += row.stream == IDENTITY
            before, self.end = msgspec.structs.replace(now, do=""), row.position
            yield row
        if self.end:
            self._boundary(tree, before, identities)

    def _wanted(self, position: int, at_ms: int) -> bool:
        wish = self.wish
        return (wish.position is None or position <= wish.position) and (
            wish.at_ms is None or at_ms <= wish.at_ms
        )

    def _boundary(self, tree: Tree, before: Common, identities: int) -> None:
        """A commit ends here: the cut is the last such place that is not behind the wish."""
        if not self.past:
            self.position, self.at_ms = self.end, before.at
            self.tree, self.identities = tree.copy(), identities

    @property
    def root(self) -> str:
        """The Merkle root of what is restored."""
        return self.tree.root().hex()


def restore(wish: Wish, *, now_ms: int, say: Say = lambda _: None) -> Restored:
    """Everything but the replay, which needs the folds."""
    series, cut, read = _read(wish, say)
    into = target(wish.into)
    master = homes.check_key(series.secrets, wish.keys)
    found = homes.marker(wish.home)
    marked = _marked(wish, series, cut, found, now_ms)
    end = into.end()
    resumed = found == marked
    if not resumed:
        homes.check_empty(wish.home, wish.seals)
        if end:
            raise BackupError(f"{into.name} holds a log: restore into an empty store only")
    if not end:
        homes.fill(
            wish.home,
            marked,
            keys=wish.keys,
            master=master,
            secrets=series.secrets,
            seals=[one for one in series.seals if one.last <= cut.position],
            seals_folder=wish.seals,
            public_key=series.end.public_key,
        )
        _write(into, series, cut, marked)
    proved = _read_back(wish, series, cut, marked, say)
    homes.finish(wish.home)
    return Restored(
        into=into.name,
        position=cut.position,
        at_ms=cut.at_ms,
        left_out=series.end.position - cut.position,
        sealed_to=proved.sealed_to,
        former=series.begin.cloud,
        cloud=_told_id(marked) or series.begin.cloud,
        resumed=resumed,
        proved=proved,
        notes=read.notes + _notes(wish, series, cut),
    )


def _read(wish: Wish, say: Say) -> tuple[Series, Cut, Verified]:
    """Prove the backups, and find where to cut."""
    reader, cut = Reader(wish.files), Cut(wish)
    proved = prove(
        cut.through(reader.rows()), reader.seals, reader.public_key, needs_seals=False, say=say
    )
    if proved.faults:
        raise BackupError(f"the backup is not whole, so nothing was written: {proved.faults[0]}")
    if not cut.position:
        raise BackupError("nothing had happened yet at that moment: choose a later one")
    series = reader.series()
    if (wish.position or 0) > series.end.position or (wish.at_ms or 0) > series.taken_at_ms:
        raise BackupError(
            f"the newest backup named ends at position {series.end.position}, and what came behind "
            "it is not known: name a later one, or an earlier moment"
        )
    if wish.new_id is None and cut.position != series.end.position:
        raise BackupError(
            "a log that is cut cannot remain the same cloud: others have read on; leave out "
            "--same-cloud"
        )
    return series, cut, proved


def _marked(wish: Wish, series: Series, cut: Cut, found: Marker | None, now_ms: int) -> Marker:
    """What this restore leaves while it is under way: what it left before, if it is the same."""
    if found is not None:
        same = (found.root, found.position, found.row is None) == (
            cut.root,
            cut.position,
            wish.new_id is None,
        )
        if same:
            return found
        raise BackupError(
            f"another restore into {wish.home} did not come to its end: run that one again, or "
            "empty the store and the data folder (but for the keys)"
        )
    if wish.new_id is None:
        return Marker(root=cut.root, position=cut.position, row=None)
    told = IdentityRestored(
        cloud_id=wish.new_id,
        former=series.begin.cloud,
        position=cut.position,
        root=cut.root,
        lost_after_ms=cut.at_ms,
    )
    unit = Unit((Append(IDENTITY, cut.identities, (told,)),))
    ((one,),) = codec.encode(unit, max(now_ms, cut.at_ms))
    row = Stored(cut.position + 1, IDENTITY, cut.identities + 1, one.topic, one.state)
    return Marker(root=cut.root, position=cut.position, row=shapes.row(row))


def _write(into: Target, series: Series, cut: Cut, marked: Marker) -> None:
    last = [marked.row.stored()] if marked.row is not None else []
    into.write(chain(series.rows(cut.position), last))


def _read_back(wish: Wish, series: Series, cut: Cut, marked: Marker, say: Say) -> Verified:
    """Prove what lies in the store now: the seals, and the root over all that was restored."""
    expected = cut.tree.copy()
    if marked.row is not None:
        expected.add(leaf(marked.row.stored()))
    seals = [one for one in series.seals if one.last <= cut.position]
    with Source(wish.into) as source:
        proved = prove(source.rows(), seals, series.end.public_key, needs_seals=False, say=say)
    if proved.root != expected.root().hex():
        proved.faults.append("what the store holds is not what was restored: empty it, try again")
    if proved.faults:
        raise BackupError(f"what was restored does not hold: {proved.faults[0]}")
    return proved


def _notes(wish: Wish, series: Series, cut: Cut) -> list[str]:
    """What a restore to this moment means for the world, told with it."""
    notes = []
    if wish.position is not None and cut.position < min(wish.position, series.end.position):
        notes.append(f"position {wish.position} is inside a commit: restored up to the one before")
    if not series.signed:
        notes.append("the backup was not signed: only its seals vouch for it")
    if series.seals and not (wish.seals / PRIVATE_KEY).exists():
        notes.append(
            f"{PRIVATE_KEY} is not there: put it into {wish.seals} before the first start, or, if "
            f"it is lost, move {SEALS} away, and a new chain begins"
        )
    if series.secrets:
        notes.append(
            "secrets are those of the newest backup named: what was shredded up to then stays so"
        )
    return notes


def _told_id(marked: Marker) -> UUID | None:
    if marked.row is None:
        return None
    event = codec.decode(marked.row.stored()).event
    assert isinstance(event, IdentityRestored)
    return event.cloud_id
