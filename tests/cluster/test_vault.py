"""The vault seals, forgets, and refuses a wrong key: in a file, and in a table that is shared."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import stat
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from engine.clock import SystemClock
from engine.cluster.database import Database
from engine.cluster.store import DatabaseGone
from engine.genesis import FIRST_PASSWORD
from engine.log import LogUnavailable
from engine.vault import Vault, VaultError, VaultUnavailable
from tests.log.rooms import files_up_to
from tests.peers.postgres import Cluster


class House:
    """A vault's backend as somebody sees it who can read its disk. `url` empty means a file."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.key_file = folder / "vault.db.key"

    async def open(self) -> Vault:
        if self.url:
            return await Vault.open_shared(self.url, self.key_file)
        return await Vault.open(self.folder / "vault.db")

    async def raw(self, statement: str, *values: UUID) -> list[bytes]:
        """Run a statement about the table `entry` behind the vault's back."""
        if not self.url:
            with sqlite3.connect(self.folder / "vault.db") as database:
                rows = database.execute(statement, [one.hex for one in values]).fetchall()
            database.close()
            return [row[0] for row in rows]
        database_ = Database(self.url)
        asked = statement.replace("entry", "sagastack_vault").replace("?", "%s")
        found = [bytes(row[0]) for row in await database_.ask(asked, values)]
        await database_.close()
        return found

    async def content(self) -> bytes:
        """All that lies there."""
        if not self.url:
            return (self.folder / "vault.db").read_bytes()
        return b"".join(await self.raw("SELECT sealed FROM entry"))


@pytest.fixture(params=["file", "table"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> House:
    url = request.getfixturevalue("url") if request.param == "table" else ""
    return House(tmp_path, str(url))


@pytest.fixture
async def vault(house: House) -> AsyncIterator[Vault]:
    opened = await house.open()
    yield opened
    await opened.close()


async def test_a_secret_survives_a_restart_and_lies_nowhere_in_the_clear(
    vault: Vault, house: House
) -> None:
    entry = await vault.put("host-password-8131")
    again = await house.open()
    assert await again.get(entry) == "host-password-8131"
    await again.close()
    assert b"host-password-8131" not in await house.content()
    for file in house.folder.iterdir():
        assert b"host-password-8131" not in file.read_bytes()
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, f"others may read {file.name}"


async def test_a_full_disk_refuses_and_the_vault_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    """As the log does: whoever waits for the one waits for the other."""
    vault = await Vault.open(tmp_path / "vault.db")
    kept, gone = await vault.put("kept"), await vault.put("to be shredded")
    with files_up_to((tmp_path / "vault.db").stat().st_size):
        with pytest.raises(LogUnavailable, match="ask again later"):
            await vault.put("x" * 100_000)
    with files_up_to(0), pytest.raises(VaultUnavailable):
        await vault.shred(gone)
    assert await vault.get(kept) == "kept"
    assert await vault.shred(gone)
    assert await vault.get(await vault.put("x" * 100_000)) == "x" * 100_000
    await vault.close()


async def test_putting_again_under_one_key_replaces(vault: Vault) -> None:
    key = uuid4()
    assert await vault.put("first", key=key) == key
    assert await vault.get(key) == "first"
    assert await vault.put(b"second", key=key) == key
    assert await vault.get(key) == "second"
    assert await vault.get_bytes(key) == b"second"


async def test_what_is_kept_is_the_first(vault: Vault, house: House) -> None:
    again = await house.open()
    kept = await asyncio.gather(
        *(one.keep(f"number {n}", key=FIRST_PASSWORD) for n, one in enumerate([vault, again] * 5))
    )
    assert len(set(kept)) == 1
    assert await vault.keep("later", key=FIRST_PASSWORD) == kept[0]
    await again.put("replaced", key=FIRST_PASSWORD)
    assert await again.get(FIRST_PASSWORD) == "replaced"
    await again.close()


async def test_a_shredded_secret_is_gone_from_memory_and_from_the_store(
    vault: Vault, house: House
) -> None:
    entry = await vault.put("to be forgotten")
    assert await vault.get(entry) == "to be forgotten"
    (sealed,) = await house.raw("SELECT sealed FROM entry WHERE id=?", entry)
    assert sealed in await house.content()
    assert await vault.shred(entry)
    assert not await vault.shred(entry)
    with pytest.raises(KeyError, match=str(entry)):
        await vault.get(entry)
    assert sealed not in await house.content()


async def test_an_entry_cannot_stand_in_for_another(vault: Vault, house: House) -> None:
    mine, theirs = await vault.put("mine"), await vault.put("theirs")
    await house.raw(
        "UPDATE entry SET sealed=(SELECT sealed FROM entry WHERE id=?) WHERE id=? RETURNING sealed",
        theirs,
        mine,
    )
    again = await house.open()
    with pytest.raises(VaultError, match="does not open"):
        await again.get(mine)
    assert await again.get(theirs) == "theirs"
    await again.close()


async def test_a_missing_wrong_or_readable_key_is_refused_with_the_remedy(
    vault: Vault, house: House
) -> None:
    await vault.put("kept")
    right = house.key_file.read_bytes()
    house.key_file.write_bytes(bytes(32))
    with pytest.raises(VaultError, match=r"not the key|another vault's key: .* copy their key"):
        await house.open()
    assert house.key_file.read_bytes() == bytes(32), "a key that somebody put there stays"
    house.key_file.write_bytes(right)
    house.key_file.chmod(0o644)
    with pytest.raises(VaultError, match="chmod 600"):
        await house.open()
    house.key_file.unlink()
    with pytest.raises(VaultError, match=r"restore the key|copy their key file to .*vault.db.key"):
        await house.open()
    assert not house.key_file.exists(), "a new key must not hide that the old one is lost"


async def test_passwords_can_only_be_checked(vault: Vault, house: House) -> None:
    entry = await vault.hash_password("correct horse")
    assert await vault.check_password(entry, "correct horse")
    assert not await vault.check_password(entry, "wrong horse")
    with pytest.raises(VaultError, match="does not open as a secret"):
        await vault.get(entry)
    again = await house.open()
    assert await again.check_password(entry, "correct horse")
    await again.close()


async def test_an_unknown_account_is_not_told_by_the_time(vault: Vault) -> None:
    entry = await vault.hash_password("correct horse")

    async def check_s(ref: UUID) -> float:
        began = time.perf_counter()
        assert not await vault.check_password(ref, "wrong horse")
        return time.perf_counter() - began

    # By turns: how fast a machine is may change from one moment to the next.
    took = [(await check_s(entry), await check_s(uuid4())) for _ in range(5)]
    known, unknown = map(min, zip(*took, strict=True))
    assert unknown > known / 2, f"known {known:.3f} s, unknown {unknown:.3f} s"


async def test_hashing_does_not_stall_the_loop(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, scrypt = [], hashlib.scrypt

    def overheard(*said: Any, **how: Any) -> bytes:
        threads.append(threading.get_ident())
        return scrypt(*said, **how)

    monkeypatch.setattr(hashlib, "scrypt", overheard)
    await asyncio.gather(*(vault.hash_password(f"p{n}") for n in range(4)))
    assert len(threads) == 4 and threading.get_ident() not in threads


async def shared(url: str, key_file: Path) -> Vault:
    return await Vault.open_shared(url, key_file)


async def test_what_one_controller_replaces_is_not_served_by_another(
    url: str, tmp_path: Path
) -> None:
    one, other = await shared(url, tmp_path / "key"), await shared(url, tmp_path / "key")
    key = uuid4()
    await one.put("first", key=key)
    assert await other.get(key) == "first"
    await one.put("second", key=key)
    assert await other.get(key) == "second"
    await one.shred(key)
    with pytest.raises(KeyError):
        await other.get(key)
    entry = await one.hash_password("correct horse", key=key)
    assert await other.check_password(entry, "correct horse")
    await one.hash_password("battery staple", key=key)
    assert not await other.check_password(entry, "correct horse")
    await one.close()
    await other.close()


async def test_of_several_who_shred_an_entry_at_once_one_is_told_that_it_was_there(
    url: str, tmp_path: Path
) -> None:
    """What opens something once is taken by one of the controllers that it is shown to."""
    one, other = await shared(url, tmp_path / "key"), await shared(url, tmp_path / "key")
    for key in (uuid4() for _ in range(20)):
        await one.put("once", key=key)
        told = await asyncio.gather(*(each.shred(key) for each in (one, other, one, other)))
        assert sorted(told) == [False, False, False, True]
    await one.close()
    await other.close()


async def test_what_one_controller_shreds_another_forgets_at_its_next_look(
    url: str, tmp_path: Path
) -> None:
    one, other = await shared(url, tmp_path / "key"), await shared(url, tmp_path / "key")
    gone, stays = await one.put("gone"), await one.put("stays")
    await other.look()
    assert [await other.get(gone), await other.get(stays)] == ["gone", "stays"]
    await one.shred(gone)
    async with asyncio.TaskGroup() as group:
        following = group.create_task(other.follow(SystemClock()))
        async with asyncio.timeout(60):
            while True:
                try:
                    await other.get(gone)
                except KeyError:
                    break
                await asyncio.sleep(0.05)
        following.cancel()
    assert await other.get(stays) == "stays"
    await one.close()
    await other.close()


async def test_open_secrets_need_no_database(
    url: str, tmp_path: Path, postgres_cluster: Cluster
) -> None:
    """Requests that are signed ask it nothing, and go on while it is gone."""
    vault = await shared(url, tmp_path / "key")
    entry = await vault.put("secret key")
    replaceable = await vault.put("password", key=uuid4())
    assert await vault.get(entry) == "secret key"
    assert await vault.get(replaceable) == "password"
    postgres_cluster.stop("immediate")
    try:
        with pytest.raises(DatabaseGone):
            await vault.look()
        assert await vault.get(entry) == "secret key"
        with pytest.raises(DatabaseGone):
            await vault.get(replaceable)
        with pytest.raises(DatabaseGone):
            await vault.put("more")
    finally:
        postgres_cluster.start()
    async with asyncio.timeout(60):
        while True:
            try:
                assert await vault.get(replaceable) == "password"
                break
            except DatabaseGone:
                await asyncio.sleep(0.1)
    await vault.close()


async def test_of_two_first_controllers_with_keys_of_their_own_one_is_refused(
    url: str, tmp_path: Path
) -> None:
    keys = [tmp_path / "one.key", tmp_path / "two.key"]
    opened = await asyncio.gather(*(shared(url, key) for key in keys), return_exceptions=True)
    inside = [one for one in opened if isinstance(one, Vault)]
    (refused,) = [one for one in opened if not isinstance(one, Vault)]
    assert "copy their key file" in str(refused)
    assert sum(key.exists() for key in keys) == 1, "a key that opens nothing is not left behind"
    for one in inside:
        await one.close()
    # With one key file for both, both come in, whoever makes it.
    same = tmp_path / "same.key"
    same.write_bytes(next(key for key in keys if key.exists()).read_bytes())
    same.chmod(0o600)
    for one in await asyncio.gather(shared(url, same), shared(url, same)):
        await one.close()


async def test_a_vault_moves_from_its_file_into_the_table(url: str, tmp_path: Path) -> None:
    path = tmp_path / "secrets.db"
    before = await Vault.open(path)
    entry = await before.put("carried along")
    password = await before.hash_password("correct horse")
    await before.close()
    elsewhere = tmp_path / "elsewhere.key"
    with pytest.raises(VaultError, match=r"copy .*secrets\.db\.key there"):
        await Vault.open_shared(url, elsewhere, moving=path)
    elsewhere.write_bytes(bytes(32))
    elsewhere.chmod(0o600)
    with pytest.raises(VaultError, match="not the key of"):
        await Vault.open_shared(url, elsewhere, moving=path)
    assert path.exists()
    key_file = tmp_path / "secrets.db.key"
    for _ in range(2):  # the second time there is nothing to move
        vault = await Vault.open_shared(url, key_file, moving=path)
        assert await vault.get(entry) == "carried along"
        assert await vault.check_password(password, "correct horse")
        await vault.close()
    assert not path.exists() and (tmp_path / "secrets.db.moved").exists()
