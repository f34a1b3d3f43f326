"""Where a cloud's parts lie, read as they are while a controller may be running on them.

Rows come from the store, seals and their key from the data folder, and secrets, still sealed, from
the sealed store. Nothing here writes or opens anything that is sealed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.cluster.store import is_shared
from engine.log import LogUnavailable, Seal, SealsDamaged, Stored, Unreadable, read_seals
from engine.log.identity import cloud_id
from engine.log.seal import PRIVATE_KEY, PUBLIC_KEY, SEALS
from engine.log.store import StoreDown
from engine.log.stores import open_store
from engine.vault import NONCE_BYTES, SECRET
from sagastack.backups.lines import BackupError
from sagastack.backups.shapes import Secret

PAGE = 5_000
SHAPE = (int, UUID, int, str, bytes)
BUSY_S = 10.0
CONNECT_TIMEOUT_S = 5
ANSWER_S = 60
SEALS_ASKED = "SELECT seal FROM sagastack_seals ORDER BY number"
VAULT_ASKED = "SELECT id, sealed FROM sagastack_vault ORDER BY id"
VAULT = "secrets.db"
VAULT_KEY = f"{VAULT}.key"


class Source:
    """The rows of a store, read beside whoever writes them. Everything blocks."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> Source:
        with _told():
            self._store = open_store(self._url, read_only=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    def end(self) -> int:
        with _told():
            return self._store.end()

    def cloud_id(self) -> UUID | None:
        with _told():
            return cloud_id(self._store)

    def stream(self, stream: UUID) -> list[Stored]:
        """The rows of one stream."""
        with _told():
            return self._store.stream(stream, 0)

    def row(self, position: int) -> Stored | None:
        """The row at a position."""
        with _told():
            found = self._store.rows(position - 1, position, 1)
        return found[0] if found else None

    def rows(self, after: int = 0, until: int | None = None) -> Iterator[Stored]:
        """Rows behind `after` up to `until`, a page at a time.

        Somebody who changes a file of SQLite may put anything anywhere: `Unreadable` names it.
        """
        while until is None or after < until:
            try:
                with _told():
                    page = self._store.rows(after, until, PAGE)
            except (ValueError, AttributeError, TypeError) as wrong:
                text = f"among the {PAGE} rows behind position {after} is none of the log's"
                raise Unreadable(f"{text}: {wrong}") from wrong
            if not page:
                return
            for row in page:
                if tuple(map(type, row)) != SHAPE:
                    text = f"position {row.position}: the row is not stored as the log stores rows"
                    raise Unreadable(text)
                yield row
            after = page[-1].position


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except StoreDown as down:
        raise LogUnavailable(f"the log cannot be read: {down}") from down


@dataclass(frozen=True, slots=True)
class Chain:
    """Seals and the public key (hex) that proves them; empty where nothing was sealed yet."""

    seals: list[Seal]
    public_key: str


def chain_of(url: str, folder: Path, master: Path | None = None, *, public_key: str = "") -> Chain:
    """The seals of a store: those in its database, if controllers share it, or in the folder.

    For a database the public key is the one that is given, the folder's, or that of the key in the
    vault, which `master` opens: it cannot vouch for itself.
    """
    own = chain(folder)
    shared = _asked(url, "sagastack_seals", SEALS_ASKED) if is_shared(url) else []
    if not shared:
        return own
    public_key = public_key or own.public_key
    if not public_key and (signer := signing_key(folder, secrets(url, folder), master)):
        public_key = signer.public_key().public_bytes_raw().hex()
    if not public_key:
        raise SealsDamaged(
            f"{folder / PUBLIC_KEY} is not there, so nothing proves the seals of the database: "
            "copy it from a controller, or let SAGASTACK_VAULT_KEY_FILE name the key of the vault"
        )
    return Chain([msgspec.json.decode(row[0], type=Seal) for row in shared], public_key)


def chain(folder: Path) -> Chain:
    """What a data folder, or somebody's copy of it, holds of `seals.jsonl` and `seal.pub`."""
    seals = read_seals(folder / SEALS)
    try:
        public_key = (folder / PUBLIC_KEY).read_text().strip()
    except FileNotFoundError:
        if seals:
            text = f"{folder / SEALS} is here but {PUBLIC_KEY} is not: put your copy of it there"
            raise SealsDamaged(text) from None
        return Chain([], "")
    except UnicodeDecodeError:
        public_key = "?"
    try:
        whole = len(bytes.fromhex(public_key)) == 32
    except ValueError:
        whole = False
    if not whole:
        raise SealsDamaged(f"{folder / PUBLIC_KEY} holds no Ed25519 key: put your copy of it there")
    return Chain(seals, public_key)


def signing_key(
    folder: Path, kept: Sequence[Secret] = (), master: Path | None = None
) -> Ed25519PrivateKey | None:
    """The key that seals, if it lies here; it is never made here.

    Controllers that share a store have it among their sealed secrets.
    """
    path = folder / PRIVATE_KEY
    name, text = str(path), ""
    if path.exists():
        text = path.read_text()
    elif master is not None and master.exists():
        name, text = "the key of the seals in the vault", shared_key(kept, master.read_bytes())
    if not text:
        return None
    try:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text))
    except ValueError as wrong:
        raise SealsDamaged(f"{name} is no Ed25519 key ({wrong}): restore it") from wrong


def shared_key(kept: Sequence[Secret], master: bytes) -> str:
    """The text of the key that controllers seal with, opened; empty if it is not among them."""
    from engine.cluster.sealer import KEY_ID

    found = [opened(one, master) for one in kept if one.id == KEY_ID]
    return found[0].decode().strip() if found else ""


def opened(one: Secret, master: bytes) -> bytes:
    """What is in an entry of the sealed store. InvalidTag if the key is not its key."""
    nonce, content = one.sealed[:NONCE_BYTES], one.sealed[NONCE_BYTES:]
    return AESGCM(master).decrypt(nonce, content, one.id.bytes + SECRET)


def secrets(url: str, folder: Path) -> list[Secret]:
    """Every entry of the sealed store, as it lies there, at one moment.

    Controllers that share a database keep it there, once the first of them has opened it.
    """
    if is_shared(url) and (shared := _asked(url, "sagastack_vault", VAULT_ASKED)):
        return [Secret(row[0], row[1]) for row in shared]
    path = folder / VAULT
    if not path.exists():
        return []
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=BUSY_S)
        ) as database:
            found = database.execute("SELECT id, sealed FROM entry ORDER BY id").fetchall()
    except sqlite3.Error as wrong:
        raise BackupError(f"the sealed store {path} cannot be read: {wrong}") from wrong
    return [Secret(UUID(entry), sealed) for entry, sealed in found]


def _asked(url: str, table: str, statement: str) -> list[Any]:
    """The rows of a table that controllers share; none where it is not there."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    target = make_conninfo(
        url,
        dbname=str(conninfo_to_dict(url).get("dbname") or "sagastack"),
        connect_timeout=CONNECT_TIMEOUT_S,
        options=f"-c statement_timeout={ANSWER_S}s",
    )
    try:
        with psycopg.connect(target) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (table,))
            there = cursor.fetchone()
            if there is None or not there[0]:
                return []
            return cursor.execute(statement.encode()).fetchall()
    except psycopg.Error as wrong:
        raise LogUnavailable(f"{table} cannot be read in the database: {wrong}") from wrong
