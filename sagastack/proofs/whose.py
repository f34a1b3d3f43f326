"""Whose seals these are: the log's own, or another cloud's. A seal itself names no cloud.

Asked only where seals and log do not fit each other, so that a wrong folder is not told as damage.
It takes evidence: the seals fit another log, which lies beside them, or were signed before what
they should cover happened here. Either way nothing is proved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from aggregates.identity import IDENTITY, IdentityRestored
from engine.cluster.store import is_shared
from engine.log import LogError, Seal, Stored, codec
from engine.log.errors import DAMAGED
from engine.log.merkle import leaf, root
from engine.log.seal import SEALS
from engine.log.store import sqlite_path
from sagastack.backups.sources import VAULT, Chain, Source, chain
from sagastack.settings import Settings

LOG = "log.db"
SKEW_MS = 60_000
"""Clocks of controllers may differ so much."""
UNREADABLE = (LogError, AssertionError, AttributeError, TypeError, ValueError, *DAMAGED)
"""How damage is met, which the proof tells."""
REMEDY = (
    "name the folder of this log's own seals with --seals, or its data folder with "
    "`sagastack --home DIR`; a restore told where it put them"
)


class OthersSeals(LogError):
    """The seals are of another log, so they say nothing of this one; `found` names both."""

    def __init__(self, found: str) -> None:
        super().__init__(f"{found}: {REMEDY}")
        self.found, self.remedy = found, REMEDY


def of_store(settings: Settings) -> Settings:
    """The same with the folders of what is the store's own: its seals, and its sealed secrets."""
    home = _elsewhere(settings)
    if home is None or not (home / VAULT).exists():
        home = settings.home
    return replace(settings, home=home, seals=seals_folder(settings))


def seals_folder(settings: Settings, kept: Path | None = None) -> Path:
    """Where a store's own seals are: beside a file of SQLite that does not lie in the home.

    What somebody kept is compared with these alone there: the home may be another cloud's.
    """
    folder = _elsewhere(settings)
    if folder is not None and (kept is not None or (folder / SEALS).exists()):
        return folder
    return settings.seals_folder


def _elsewhere(settings: Settings) -> Path | None:
    """The folder of a store that is a file of SQLite outside the home."""
    url = settings.store
    if not url or is_shared(url):
        return None
    folder = Path(sqlite_path(url)).resolve().parent
    return None if folder == settings.home.resolve() else folder


def refuse_others(source: Source, url: str, folder: Path) -> list[str]:
    """`OthersSeals` if it is certain that what `folder` holds belongs to another log.

    Else what is to be known of it beside the faults.
    """
    try:
        held = chain(folder)
        ours = source.cloud_id()
        if not held.seals or ours is None:
            return []
        theirs = _beside(source, url, folder, held)
        early = None if theirs else next(_signed_before(source, held), None)
        notes = _former(source, held)
    except UNREADABLE:
        return []
    what = f"the seals in {folder} are not those of this log, cloud {ours}"
    if theirs is not None and theirs != ours:
        raise OthersSeals(f"{what}, but of cloud {theirs}, whose log lies beside them")
    if early is not None:
        raise OthersSeals(
            f"{what}, or its times were changed: seal {early.number} was signed before what is at "
            f"its positions ({early.first} to {early.last}) happened here"
        )
    return notes


def _beside(source: Source, url: str, folder: Path, held: Chain) -> UUID | None:
    """The cloud of the log in the folder, if the last seal fits that log and not this one."""
    path, last = (folder / LOG).resolve(), held.seals[-1]
    if not path.exists() or (not is_shared(url) and path.samefile(sqlite_path(url))):
        return None
    with Source(f"sqlite:///{path}") as other:
        if _fits(last, _rows(source, last)) or not _fits(last, _rows(other, last)):
            return None
        return other.cloud_id()


def _former(source: Source, held: Chain) -> list[str]:
    """Seals of a former cloud that were signed later than the restore look like damage."""
    notes = []
    for row in source.stream(IDENTITY):
        event = codec.decode(row).event
        one = next((one for one in held.seals if one.last >= row.position), None)
        if isinstance(event, IdentityRestored) and one and not _fits(one, _rows(source, one)):
            notes.append(
                f"this log was restored at position {event.position}, from cloud {event.former}: "
                f"if seal {one.number} is that cloud's, {REMEDY}"
            )
    return notes


def _signed_before(source: Source, held: Chain) -> Iterator[Seal]:
    """Seals of the folder's key that are older than what they should cover here.

    Clouds differ from their beginning, or from where one was restored on.
    """
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(held.public_key))
    parted = [1, *(row.position for row in source.stream(IDENTITY))]
    for position in parted:
        one = next((one for one in held.seals if one.last >= position), None)
        if one is None or not one.signed_by(key):
            continue
        rows = _rows(source, one)
        if rows and not _fits(one, rows) and codec.at_ms(rows[-1]) > one.at_ms + SKEW_MS:
            yield one


def _rows(source: Source, one: Seal) -> list[Stored]:
    return list(source.rows(one.first - 1, one.last))


def _fits(one: Seal, rows: list[Stored]) -> bool:
    return len(rows) == one.count and root([leaf(row) for row in rows]).hex() == one.root
