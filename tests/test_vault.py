"""The vault seals, forgets, and refuses a wrong key."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from engine.vault import Vault, VaultError


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    opened = await Vault.open(tmp_path / "vault.db")
    yield opened
    await opened.close()


async def reopened(path: Path) -> Vault:
    return await Vault.open(path / "vault.db")


def assert_sealed(folder: Path, secret: bytes) -> None:
    for file in folder.iterdir():
        assert secret not in file.read_bytes()
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, f"others may read {file.name}"


async def test_a_secret_survives_a_restart_and_lies_nowhere_in_the_clear(
    vault: Vault, tmp_path: Path
) -> None:
    entry = await vault.put("host-password-8131")
    again = await reopened(tmp_path)
    assert await again.get(entry) == "host-password-8131"
    await again.close()
    assert_sealed(tmp_path, b"host-password-8131")


async def test_putting_again_under_one_key_replaces(vault: Vault) -> None:
    key = uuid4()
    assert await vault.put("first", key=key) == key
    assert await vault.put(b"second", key=key) == key
    assert await vault.get(key) == "second"
    assert await vault.get_bytes(key) == b"second"


async def test_a_shredded_secret_is_gone_from_memory_and_from_the_file(
    vault: Vault, tmp_path: Path
) -> None:
    entry = await vault.put("to be forgotten")
    with sqlite3.connect(tmp_path / "vault.db") as raw:
        (sealed,) = raw.execute("SELECT sealed FROM entry WHERE id=?", (entry.hex,)).fetchone()
    await vault.shred(entry)
    await vault.shred(entry)
    with pytest.raises(KeyError, match=str(entry)):
        await vault.get(entry)
    assert sealed not in (tmp_path / "vault.db").read_bytes()


async def test_an_entry_cannot_stand_in_for_another(vault: Vault, tmp_path: Path) -> None:
    mine, theirs = await vault.put("mine"), await vault.put("theirs")
    with sqlite3.connect(tmp_path / "vault.db") as raw:
        raw.execute(
            "UPDATE entry SET sealed=(SELECT sealed FROM entry WHERE id=?) WHERE id=?",
            (theirs.hex, mine.hex),
        )
    raw.close()
    again = await reopened(tmp_path)
    with pytest.raises(VaultError, match="does not open"):
        await again.get(mine)
    assert await again.get(theirs) == "theirs"
    await again.close()


async def test_a_missing_wrong_or_readable_key_is_refused_with_the_remedy(
    vault: Vault, tmp_path: Path
) -> None:
    await vault.put("kept")
    key = tmp_path / "vault.db.key"
    right = key.read_bytes()
    key.write_bytes(bytes(32))
    with pytest.raises(VaultError, match="not the key"):
        await reopened(tmp_path)
    key.write_bytes(right)
    key.chmod(0o644)
    with pytest.raises(VaultError, match="chmod 600"):
        await reopened(tmp_path)
    key.unlink()
    with pytest.raises(VaultError, match="restore the key"):
        await reopened(tmp_path)
    assert not key.exists(), "a new key must not hide that the old one is lost"


async def test_passwords_can_only_be_checked(vault: Vault, tmp_path: Path) -> None:
    entry = await vault.hash_password("correct horse")
    assert await vault.check_password(entry, "correct horse")
    assert not await vault.check_password(entry, "wrong horse")
    with pytest.raises(VaultError, match="does not open as a secret"):
        await vault.get(entry)
    again = await reopened(tmp_path)
    assert await again.check_password(entry, "correct horse")
    await again.close()


async def test_an_unknown_account_is_not_told_by_the_time(vault: Vault) -> None:
    entry = await vault.hash_password("correct horse")

    async def fastest_s(ref: UUID) -> float:
        took = []
        for _ in range(5):
            began = time.perf_counter()
            assert not await vault.check_password(ref, "wrong horse")
            took.append(time.perf_counter() - began)
        return min(took)

    known, unknown = await fastest_s(entry), await fastest_s(uuid4())
    assert unknown > known / 2, f"known {known:.3f} s, unknown {unknown:.3f} s"


async def test_hashing_does_not_stall_the_loop(vault: Vault) -> None:
    worst_s = 0.0
    hashing = asyncio.gather(*(vault.hash_password(f"p{n}") for n in range(4)))
    while not hashing.done():
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        worst_s = max(worst_s, time.perf_counter() - began)
    await hashing
    assert worst_s < 0.5, f"the loop stood still for {worst_s:.3f} s"
