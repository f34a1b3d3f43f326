"""Secrets lie here, sealed, and never in the log: the log holds only the id of an entry.

A log that keeps everything for ever must not hold what has to be forgotten. An entry can be
shredded; the events that name it then name nothing. Values are sealed with AES-256-GCM (NIST
SP 800-38D), with the entry's id as associated data, so that one entry cannot stand in for
another. The master key lies in a file of its own: a copied database alone opens nothing.

Passwords are kept only as scrypt (RFC 7914) of the password with a salt, sealed as well.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import secrets
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

T = TypeVar("T")

KEY_BYTES = 32
NONCE_BYTES = 12
SALT_BYTES = 16
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**15, 8, 1
SCRYPT_MEMORY_BYTES = 64 * 1024 * 1024
SECRET, PASSWORD = b"secret", b"password"
_PROOF_ID = UUID(int=0)
_PROOF = b"sagastack vault"


class VaultError(Exception):
    """The vault cannot be opened or used; the message says what to do."""


class Vault:
    """An open vault. Database work and hashing run on its own threads, off the event loop."""

    def __init__(self, path: Path, database: sqlite3.Connection, key: bytes) -> None:
        self._path, self._database, self._cipher = path, database, AESGCM(key)
        self._opened: dict[UUID, bytes] = {}
        self._disk = ThreadPoolExecutor(1, "vault")
        # Each hash takes 32 MiB, so their number at a time is bounded.
        self._hashing = ThreadPoolExecutor(2, "vault-hash")
        self._nobody = secrets.token_bytes(SALT_BYTES)

    @classmethod
    async def open(cls, path: Path | str) -> Vault:
        """Open the vault at `path`, or make it together with its key, `path` + `.key`."""
        return await asyncio.get_running_loop().run_in_executor(None, _open, Path(path))

    async def put(self, secret: str | bytes, *, key: UUID | None = None) -> UUID:
        """Seal a secret. With `key` the entry has that id, and putting it again replaces it."""
        plain = secret.encode() if isinstance(secret, str) else secret
        entry = key or _new_id()
        await self._on_disk(partial(self._write, entry, SECRET, plain))
        self._opened[entry] = plain
        return entry

    async def get(self, entry: UUID) -> str:
        """The secret; KeyError when it was shredded or never was."""
        return (await self.get_bytes(entry)).decode()

    async def get_bytes(self, entry: UUID) -> bytes:
        """The same for a secret that is no text."""
        plain = self._opened.get(entry)
        if plain is None:
            plain = await self._on_disk(partial(self._read, entry, SECRET))
            if plain is None:
                raise KeyError(f"the vault has no secret {entry}: it was shredded or never put")
            self._opened[entry] = plain
        return plain

    async def shred(self, entry: UUID) -> None:
        """Overwrite and forget an entry; one that is gone already is no error."""
        self._opened.pop(entry, None)
        await self._on_disk(partial(self._delete, entry))
        self._opened.pop(entry, None)

    async def hash_password(self, password: str, *, key: UUID | None = None) -> UUID:
        """Keep a password so that it can only be checked; gives the id to check it by."""
        salt, entry = secrets.token_bytes(SALT_BYTES), key or _new_id()
        digest = await self._hashed(password, salt)
        await self._on_disk(partial(self._write, entry, PASSWORD, salt + digest))
        return entry

    async def check_password(self, entry: UUID, password: str) -> bool:
        """Whether it is the password. An unknown id takes the same time and is never right."""
        kept = await self._on_disk(partial(self._read, entry, PASSWORD))
        known = kept is not None
        salt, digest = (kept[:SALT_BYTES], kept[SALT_BYTES:]) if kept else (self._nobody, b"")
        return hmac.compare_digest(await self._hashed(password, salt), digest) and known

    async def close(self) -> None:
        """Close the database; what was opened in memory is dropped."""
        self._opened.clear()
        await self._on_disk(self._database.close)
        self._disk.shutdown(wait=False)
        self._hashing.shutdown(wait=False)

    async def _on_disk(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._disk, work)
        except sqlite3.Error as wrong:
            raise VaultError(f"the vault {self._path} could not be used: {wrong}") from wrong

    async def _hashed(self, password: str, salt: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._hashing, _scrypt, password, salt)

    def _write(self, entry: UUID, kind: bytes, plain: bytes) -> None:
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, plain, entry.bytes + kind)
        with self._database:
            self._database.execute("INSERT OR REPLACE INTO entry VALUES (?,?)", (entry.hex, sealed))

    def _read(self, entry: UUID, kind: bytes) -> bytes | None:
        row = self._database.execute("SELECT sealed FROM entry WHERE id=?", (entry.hex,)).fetchone()
        if row is None:
            return None
        nonce, sealed = row[0][:NONCE_BYTES], row[0][NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, sealed, entry.bytes + kind)
        except InvalidTag:
            raise VaultError(
                f"entry {entry} of {self._path} does not open as a {kind.decode()}: "
                "it was changed, or it is of another kind, or the key is another vault's"
            ) from None

    def _delete(self, entry: UUID) -> None:
        with self._database:
            self._database.execute("DELETE FROM entry WHERE id=?", (entry.hex,))

    def _prove_key(self) -> None:
        """Refuse a wrong key now, and not at the first secret that somebody needs."""
        try:
            proof = self._read(_PROOF_ID, SECRET)
        except VaultError:
            proof = b"wrong"
        if proof is None:
            self._write(_PROOF_ID, SECRET, _PROOF)
        elif proof != _PROOF:
            raise VaultError(
                f"{_key_path(self._path)} is not the key of {self._path}: put the right key back"
            )


def _open(path: Path) -> Vault:
    fresh = not path.exists() or path.stat().st_size == 0
    key = _master_key(_key_path(path), path, fresh=fresh)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        database = sqlite3.connect(path, check_same_thread=False)
        # Deleted content is overwritten with zeros, in the file and in the rollback journal.
        for pragma in ("secure_delete=ON", "journal_mode=TRUNCATE", "synchronous=FULL"):
            database.execute(f"PRAGMA {pragma}")
        database.execute("CREATE TABLE IF NOT EXISTS entry (id TEXT PRIMARY KEY, sealed BLOB)")
    except (OSError, sqlite3.Error) as wrong:
        raise VaultError(f"the vault {path} cannot be opened: {wrong}") from wrong
    vault = Vault(path, database, key)
    try:
        vault._prove_key()
    except VaultError:
        database.close()
        raise
    return vault


def _key_path(path: Path) -> Path:
    return path.with_name(path.name + ".key")


def _master_key(path: Path, vault: Path, *, fresh: bool) -> bytes:
    """Read the key, or make one for a vault that holds nothing yet."""
    if fresh and not path.exists():
        write_private(path, secrets.token_bytes(KEY_BYTES))
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        raise VaultError(
            f"the vault {vault} is there but its key {path} is not: restore the key from your "
            "backup; without it no secret can be opened"
        ) from None
    if len(key) != KEY_BYTES:
        raise VaultError(f"{path} has {len(key)} bytes, a key has {KEY_BYTES}: restore it")
    if path.stat().st_mode & 0o077:
        raise VaultError(f"others may read the key {path}: run `chmod 600 {path}`")
    return key


def write_private(path: Path, content: bytes) -> None:
    """Make a file that only its owner may read, whole and on disk; never over an old one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _new_id() -> UUID:
    return UUID(bytes=secrets.token_bytes(16), version=4)


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        password.encode(),
        salt=salt,
        n=SCRYPT_N,
        r=SCRYPT_R,
        p=SCRYPT_P,
        maxmem=SCRYPT_MEMORY_BYTES,
        dklen=32,
    )
