"""Secrets lie here, sealed, and never in the log: the log holds only the id of an entry.

A log that keeps everything for ever must not hold what has to be forgotten. An entry can be
shredded; the events that name it then name nothing. Values are sealed with AES-256-GCM (NIST
SP 800-38D), with the entry's id as associated data, so that one entry cannot stand in for
another. The master key lies in a file of its own: a copied database alone opens nothing.

Passwords are kept only as scrypt (RFC 7914) of the password with a salt, sealed as well.

Entries lie in a file, or in a table that several controllers share. What was opened is kept in
memory only while nobody can have replaced it: an entry under an id of the vault's own choice never
changes until it is shredded, which `follow` notices each second. One that was put under a chosen id
may be replaced by another controller at any moment, so a shared one is read anew each time.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.clock import Clock
from engine.cluster.store import DatabaseGone
from engine.private_files import write_private
from engine.vault_entries import Entries, VaultError, VaultUnavailable
from engine.vault_file import FileEntries

if TYPE_CHECKING:
    from engine.cluster.vault_table import TableEntries

__all__ = ["Vault", "VaultError", "VaultUnavailable", "write_private"]

log_ = logging.getLogger("sagastack.vault")

KEY_BYTES = 32
NONCE_BYTES = 12
SALT_BYTES = 16
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**15, 8, 1
SCRYPT_MEMORY_BYTES = 64 * 1024 * 1024
SECRET, PASSWORD = b"secret", b"password"
FOLLOW_S = 1.0
_PROOF_ID = UUID(int=0)
_PROOF = b"sagastack vault"


class Vault:
    """An open vault. Disk work and hashing are done off the event loop."""

    def __init__(self, entries: Entries, key: bytes) -> None:
        self._entries, self._cipher = entries, AESGCM(key)
        self._opened: dict[UUID, bytes] = {}
        self._looks, self._looking = 0, False
        # Each hash takes 32 MiB, so their number at a time is bounded.
        self._hashing = ThreadPoolExecutor(2, "vault-hash")
        self._nobody = secrets.token_bytes(SALT_BYTES)

    @classmethod
    async def open(cls, path: Path | str, key_file: Path | None = None, *, lost: str = "") -> Vault:
        """Open the vault at `path`, or make it together with its key, by default `path` + `.key`.

        `lost` says why none may be made: what is in it is needed.
        """
        path = Path(path)
        beside = path.with_name(path.name + ".key")
        key_file = key_file or beside
        key = _file_key(path, key_file, beside, lost)
        entries = await FileEntries.open(path)
        return await cls._proven(entries, key, _wrong_key(key_file, path))

    @classmethod
    async def open_shared(
        cls, url: str, key_file: Path, *, moving: Path | None = None, lost: str = ""
    ) -> Vault:
        """Open the vault in the database at `url`; the first controller makes it with its key.

        `moving` is the file of a vault under the same key, whose entries a new vault takes over.
        `lost` says why there must be one already.
        """
        from engine.cluster.vault_table import TableEntries

        entries = await TableEntries.open(url)
        remedy = (
            f"the key of {entries.name} lies with the controllers that use it already: copy "
            f"their key file to {key_file} (mode 0600), or let SAGASTACK_VAULT_KEY_FILE name it"
        )
        try:
            fresh = await entries.read(_PROOF_ID) is None
            moving = _there(moving) if fresh else None
            if fresh and moving is None and lost:
                raise VaultError(f"{entries.name} is empty: {lost}")
            key, made_here = _shared_key(key_file, remedy, moving, fresh=fresh)
            if moving is not None:
                await cls._move(moving, entries, key, key_file)
        except BaseException:
            await entries.close()
            raise
        try:
            return await cls._proven(entries, key, f"{key_file} is another vault's key: {remedy}")
        except VaultError:
            if made_here:  # another was first at this moment, and this key opens nothing
                _remove(key_file)
            raise

    @classmethod
    async def _move(cls, source: Path, target: TableEntries, key: bytes, key_file: Path) -> None:
        """Copy the entries of a file as they are. The file stays until a person removes it."""
        file = await FileEntries.open(source)
        before = await cls._proven(file, key, _wrong_key(key_file, source))
        try:
            await target.fill(await file.all())
        finally:
            await before.close()
        moved = _renamed(source)
        log_.warning(
            "the secrets of %s are in the database now: delete %s once that is backed up",
            source,
            moved,
        )

    @classmethod
    async def _proven(cls, entries: Entries, key: bytes, remedy: str) -> Vault:
        """Refuse a wrong key now, and not at the first secret that somebody needs."""
        vault = cls(entries, key)
        try:
            await entries.keep(_PROOF_ID, vault._sealed(_PROOF_ID, SECRET, _PROOF))
            try:
                proof, _ = await vault._read(_PROOF_ID, SECRET)
            except VaultError:
                proof = b"wrong"
            if proof != _PROOF:
                raise VaultError(remedy)
        except BaseException:
            await vault.close()
            raise
        return vault

    async def put(self, secret: str | bytes, *, key: UUID | None = None) -> UUID:
        """Seal a secret. With `key` the entry has that id, and putting it again replaces it."""
        plain, entry = _bytes(secret), key or _new_id()
        self._opened.pop(entry, None)
        await self._entries.write(entry, self._sealed(entry, SECRET, plain), lasting=key is None)
        self._opened.pop(entry, None)
        return entry

    async def keep(self, secret: str | bytes, *, key: UUID) -> str:
        """Seal a secret unless there is one under this id; gives the one that is there then.

        Of several that keep one at the same moment, all get the same.
        """
        await self._entries.keep(key, self._sealed(key, SECRET, _bytes(secret)))
        return await self.get(key)

    async def get(self, entry: UUID) -> str:
        """The secret; KeyError when it was shredded or never was."""
        return (await self.get_bytes(entry)).decode()

    async def get_bytes(self, entry: UUID) -> bytes:
        """The same for a secret that is no text."""
        known = self._opened.get(entry)
        if known is not None:
            return known
        looks = self._looks
        plain, lasting = await self._read(entry, SECRET)
        if plain is None:
            raise KeyError(f"the vault has no secret {entry}: it was shredded or never put")
        # A look that began meanwhile did not ask after this one.
        if lasting and looks == self._looks and not self._looking:
            self._opened[entry] = plain
        return plain

    async def shred(self, entry: UUID) -> bool:
        """Overwrite and forget an entry. False: it was gone already, which is no error."""
        self._opened.pop(entry, None)
        was_there = await self._entries.delete(entry)
        self._opened.pop(entry, None)
        return was_there

    async def hash_password(self, password: str, *, key: UUID | None = None) -> UUID:
        """Keep a password so that it can only be checked; gives the id to check it by."""
        salt, entry = secrets.token_bytes(SALT_BYTES), key or _new_id()
        digest = await self._hashed(password, salt)
        sealed = self._sealed(entry, PASSWORD, salt + digest)
        await self._entries.write(entry, sealed, lasting=key is None)
        return entry

    async def check_password(self, entry: UUID, password: str) -> bool:
        """Whether it is the password. An unknown id takes the same time and is never right."""
        kept, _ = await self._read(entry, PASSWORD)
        known = kept is not None
        salt, digest = (kept[:SALT_BYTES], kept[SALT_BYTES:]) if kept else (self._nobody, b"")
        return hmac.compare_digest(await self._hashed(password, salt), digest) and known

    async def follow(self, clock: Clock) -> None:
        """Forget what other controllers shred, until cancelled. While the database is gone, nobody
        can, and what is open stays open."""
        while True:
            with suppress(DatabaseGone):
                await self.look()
            await clock.sleep(FOLLOW_S)

    async def look(self) -> None:
        """Forget what other controllers have shredded or replaced up to now."""
        self._looks, self._looking = self._looks + 1, True
        try:
            for entry in await self._entries.changed(tuple(self._opened)):
                self._opened.pop(entry, None)
        finally:
            self._looking = False

    async def close(self) -> None:
        """Close the database; what was opened in memory is dropped."""
        self._opened.clear()
        await self._entries.close()
        self._hashing.shutdown(wait=False)

    async def _hashed(self, password: str, salt: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._hashing, _scrypt, password, salt)

    def _sealed(self, entry: UUID, kind: bytes, plain: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, entry.bytes + kind)

    async def _read(self, entry: UUID, kind: bytes) -> tuple[bytes | None, bool]:
        """What an entry holds, and whether that may be kept open."""
        found = await self._entries.read(entry)
        if found is None:
            return None, False
        nonce, sealed = found.content[:NONCE_BYTES], found.content[NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, sealed, entry.bytes + kind), found.lasting
        except (InvalidTag, ValueError):
            raise VaultError(
                f"entry {entry} of {self._entries.name} does not open as a {kind.decode()}: "
                "it was changed, or it is of another kind, or the key is another vault's"
            ) from None


def _wrong_key(key_file: Path, vault: Path) -> str:
    return f"{key_file} is not the key of {vault}: put the right key back"


def _there(path: Path | None) -> Path | None:
    return path if path is not None and path.exists() else None


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _renamed(source: Path) -> Path:
    return source.rename(source.with_name(source.name + ".moved"))


def _file_key(path: Path, key_file: Path, beside: Path, lost: str) -> bytes:
    """The key of the vault in a file; made only for a vault that holds nothing yet."""
    fresh = not path.exists() or path.stat().st_size == 0
    if fresh and lost:
        raise VaultError(f"the sealed store {path} is not there: {lost}")
    if not fresh and not key_file.exists():
        raise VaultError(
            f"the vault {path} is there but its key {key_file} is not: "
            + (
                f"move {beside} there, or let SAGASTACK_VAULT_KEY_FILE name it"
                if beside.exists()
                else "restore the key from your backup; without it no secret can be opened"
            )
        )
    return _master_key(key_file)


def _shared_key(
    key_file: Path, remedy: str, moving: Path | None, *, fresh: bool
) -> tuple[bytes, bool]:
    """The key of a shared vault, and whether it was made now, as it may be for a fresh one."""
    there = key_file.exists()
    if not there and not fresh:
        raise VaultError(f"there is no key in {key_file}, and {remedy}")
    if not there and moving is not None:
        raise VaultError(
            f"the secrets of {moving} move into the database, and their key is not in {key_file}: "
            f"copy {moving}.key there"
        )
    return _master_key(key_file), not there


def _master_key(path: Path) -> bytes:
    """Read the key, or make it where there is none yet."""
    if not path.exists():
        with suppress(FileExistsError):
            write_private(path, secrets.token_bytes(KEY_BYTES))
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise VaultError(f"{path} has {len(key)} bytes, a key has {KEY_BYTES}: restore it")
    if path.stat().st_mode & 0o077:
        raise VaultError(f"others may read the key {path}: run `chmod 600 {path}`")
    return key


def _bytes(secret: str | bytes) -> bytes:
    return secret.encode() if isinstance(secret, str) else secret


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
