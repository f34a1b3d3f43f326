"""The data folder of a restored cloud: the sealed store with its key, and the seals.

The master key is in no backup: whoever restores brings it, and it is tried on an entry before
anything is written. A marker lies in the folder from the first file on until the restore is whole.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag

from engine.log import Seal
from engine.log.errors import DAMAGED
from engine.log.seal import PRIVATE_KEY, PUBLIC_KEY, SEALS
from engine.private_files import sync_folder
from engine.vault import KEY_BYTES, write_private
from sagastack.backups.lines import BackupError
from sagastack.backups.shapes import Row, Secret
from sagastack.backups.sources import VAULT, VAULT_KEY, opened, shared_key

MARKER = "restore.unfinished"
CHECKPOINTS = "checkpoints"
_PROOF_ID = UUID(int=0)


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """What is being restored, so that the same restore can be taken up again.

    `row` is the one that says that it was restored; None where the cloud stays the one it was.
    """

    root: str
    position: int
    row: Row | None


def unfinished(home: Path) -> str:
    """Why a controller must not start here; empty if it may."""
    if not (home / MARKER).exists():
        return ""
    return f"a restore into {home} did not come to its end: run the same `sagastack restore` again"


def marker(home: Path) -> Marker | None:
    try:
        return msgspec.json.decode((home / MARKER).read_bytes(), type=Marker)
    except FileNotFoundError:
        return None
    except DAMAGED as wrong:
        text = f"{home / MARKER} cannot be read ({wrong}): empty {home} but for the keys"
        raise BackupError(text) from wrong


def check_empty(home: Path, seals: Path) -> None:
    """Nothing of another cloud may lie there. Keys may: they are what the restored one needs."""
    for path in (home / VAULT, home / CHECKPOINTS, seals / SEALS, seals / PUBLIC_KEY):
        if path.exists():
            raise BackupError(
                f"{path} is there already: restore into an empty data folder, which may hold "
                f"{VAULT_KEY} and {PRIVATE_KEY}"
            )


def check_key(secrets: Sequence[Secret], keys: Path) -> bytes | None:
    """The master key that opens these secrets; None if there are none."""
    if not secrets:
        return None
    path = keys / VAULT_KEY
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        raise BackupError(
            f"{path} is not there: it is in no backup, so put your copy of it there, or name its "
            "folder with --keys; without it no secret can be opened"
        ) from None
    if len(key) != KEY_BYTES:
        raise BackupError(f"{path} has {len(key)} bytes, a key has {KEY_BYTES}: it is another file")
    # The vault's own proof, which every vault has; else whatever is there.
    one = next((one for one in secrets if one.id == _PROOF_ID), None)
    if one is None:
        raise BackupError("the backup's secrets lack the entry by which their key is known")
    try:
        opened(one, key)
    except InvalidTag:
        raise BackupError(
            f"{path} is not the key of this backup's secrets: put the right one there"
        ) from None
    return key


def fill(
    home: Path,
    marked: Marker,
    *,
    keys: Path,
    master: bytes | None,
    secrets: Sequence[Secret],
    seals: Iterable[Seal],
    seals_folder: Path,
    public_key: str,
) -> None:
    """Mark the folder, and put everything into it, and into that of the seals, but the log."""
    home.mkdir(parents=True, exist_ok=True)
    _put(home / MARKER, msgspec.json.encode(marked))
    if master is not None:
        if not (home / VAULT_KEY).exists():
            write_private(home / VAULT_KEY, master)
        _vault(home / VAULT, secrets)
    if public_key:
        seals_folder.mkdir(parents=True, exist_ok=True)
        _put(seals_folder / SEALS, b"".join(msgspec.json.encode(one) + b"\n" for one in seals))
        _put(seals_folder / PUBLIC_KEY, f"{public_key}\n".encode())
        signing = keys / PRIVATE_KEY
        content = signing.read_bytes() if signing.exists() else b""
        if not content and master is not None:
            content = shared_key(secrets, master).encode()
        if content and not (seals_folder / PRIVATE_KEY).exists():
            write_private(seals_folder / PRIVATE_KEY, content)
        sync_folder(seals_folder)
    sync_folder(home)


def finish(home: Path) -> None:
    (home / MARKER).unlink(missing_ok=True)
    sync_folder(home)


def _put(path: Path, content: bytes) -> None:
    """A file that is whole whenever it is there."""
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    write_private(partial, content)
    partial.rename(path)


def _vault(path: Path, secrets: Sequence[Secret]) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(sqlite3.connect(partial)) as database, database:
            database.execute("PRAGMA synchronous=FULL")
            database.execute("CREATE TABLE entry (id TEXT PRIMARY KEY, sealed BLOB)")
            database.executemany(
                "INSERT INTO entry VALUES (?,?)", [(one.id.hex, one.sealed) for one in secrets]
            )
    except sqlite3.Error as wrong:
        raise BackupError(f"{partial} could not be written: {wrong}") from wrong
    partial.rename(path)
