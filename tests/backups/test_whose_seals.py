"""Seals of another cloud are told as such, and refused; they are no damage."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.log.seal import PRIVATE_KEY, PUBLIC_KEY, SEALS
from sagastack.backups.series import Reader
from sagastack.proofs.whose import OthersSeals
from sagastack.settings import Settings
from sagastack.tools.verify import verify
from tests.backups.past import Past, back, wish
from tests.backups.test_backup_restore import NEW
from tests.backups.test_tampering import SWAP, copy_of, execute
from tests.tools.run import run_tool

Database = Callable[[str, Path], str]


async def restored(past: Past, tmp_path: Path, url: str) -> Path:
    """The past as another cloud, in a folder of its own; the former one goes on."""
    taken = past.take(tmp_path / "full.gz")
    home = tmp_path / "restored"
    back(wish(taken.path, into=url, home=home, keys=past.home, new_id=NEW))
    await past.live(4)
    await past.seal()
    return home


async def faults(home: Path, url: str, kept: Path | None = None) -> list[str]:
    return (await verify(Settings(home=home, store=url), kept=kept)).faults


async def test_seals_beside_a_file_are_its_own(past: Past, tmp_path: Path) -> None:
    """The default home is another cloud's, whose log has gone on."""
    url = f"sqlite://{tmp_path}/restored/log.db"
    home = await restored(past, tmp_path, url)
    done = await verify(Settings(home=past.home, store=url))
    assert done.faults == [] and done.seals == 1 and done.events == past.commits[32] + 1
    assert any(f"by the seals in {home}, of key" in note for note in done.notes)
    assert await faults(tmp_path / "nowhere", url) == []
    # What was changed there is found by them.
    execute(url, *SWAP)
    assert any("is not what was sealed" in one for one in await faults(past.home, url))


async def test_the_command_takes_the_seals_beside_the_log(
    past: Past, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite://{tmp_path}/restored/log.db"
    home = await restored(past, tmp_path, url)
    status, out, err = await in_a_thread("--home", str(past.home), "verify", "--store", url)
    assert status == 0 and "under 1 seals is whole" in out and str(home) in out, out + err
    if past.url.startswith("sqlite"):
        monkeypatch.chdir(past.home.parent)
        status, out, err = await in_a_thread("verify", "--store", url, "--seals", past.home.name)
        assert status == 1 and "NOT whole" in out and "whose log lies beside them" in out


async def in_a_thread(*words: str) -> tuple[int, str, str]:
    """A command begins a loop of its own."""
    return await asyncio.to_thread(run_tool, *words)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_the_former_clouds_seals_are_not_taken_for_the_logs_own(
    past: Past, tmp_path: Path, database: Database, kind: str
) -> None:
    """By the log that lies beside them, or, in a copy, by when they were signed.

    Who chose them is told where the log parts from them.
    """
    url = database(kind, tmp_path / "restored" / "log.db")
    home = await restored(past, tmp_path, url)
    assert await faults(home, url) == []
    kept = copy_of(past, tmp_path / "kept")
    done = await verify(Settings(home=home, store=url), kept=kept)
    assert done.faults and any("signed before what is at its positions" in n for n in done.notes)
    if past.url.startswith("sqlite"):
        done = await verify(Settings(home=home, store=url), kept=past.home)
        assert done.faults and any("whose log lies beside them" in note for note in done.notes)
    # Nothing lies beside the log any more: the home's are taken, and told to be others'.
    for name in (SEALS, PUBLIC_KEY, PRIVATE_KEY):
        (home / name).unlink()
    with pytest.raises(OthersSeals, match="not those of this log, cloud"):
        await verify(Settings(home=past.home, store=url))


async def test_seals_of_a_cloud_that_never_was_this_one_are_told_to_be_so(
    past: Past, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    stranger = await Past.open(f"sqlite://{other}/log.db", other)
    await stranger.live(9)
    await stranger.seal()
    await stranger.log.close()
    done = await verify(Settings(home=past.home, store=past.url), kept=other)
    assert done.faults and any("whose log lies beside them" in note for note in done.notes)
    # A copy alone may as well be older than a log that was replaced: that stays a fault.
    kept = tmp_path / "copy"
    kept.mkdir()
    for name in (SEALS, PUBLIC_KEY):
        shutil.copy(other / name, kept / name)
    assert await faults(past.home, past.url, kept)


async def test_a_former_clouds_seals_that_are_newer_than_the_restore_are_faults_with_a_hint(
    past: Past, tmp_path: Path
) -> None:
    """They cannot be told from damage."""
    past.ms[0] = 10**8
    url = f"sqlite://{tmp_path}/restored/log.db"
    home = await restored(past, tmp_path, url)
    done = await verify(Settings(home=home, store=url), kept=copy_of(past, tmp_path / "kept"))
    assert done.faults
    assert any("restored at position 66" in n and "if seal 2 is" in n for n in done.notes)


async def test_doctor_says_whose_seals_they_are(past: Past, tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/restored/log.db"
    home = await restored(past, tmp_path, url)
    (home / SEALS).unlink()
    words = ("--home", str(past.home), "doctor", "--store", url, "--json")
    _, out, err = await in_a_thread(*words)
    (log,) = [one for one in json.loads(out) if one["name"] == "log"]
    assert not log["ok"] and "not those of this log" in log["found"], err
    assert "--home DIR" in log["remedy"]


async def another(tmp_path: Path) -> Past:
    """A cloud that the home of `past` knows nothing of, on SQLite."""
    home = tmp_path / "another"
    home.mkdir()
    one = await Past.open(f"sqlite://{home}/log.db", home)
    await one.live(9)
    await one.seal()
    await one.log.close()
    return one


async def test_a_backup_of_another_store_takes_what_lies_beside_it(
    past: Past, tmp_path: Path
) -> None:
    """Its seals and its secrets, not those of the home."""
    other, file = await another(tmp_path), tmp_path / "other.gz"
    words = ("--home", str(past.home), "backup", "--store", other.url, "--out", str(file))
    status, out, err = await in_a_thread(*words)
    assert status == 0 and str(other.home / "secrets.db.key") in out, out + err
    reader = Reader([file])
    assert len(list(reader.rows())) == other.commits[-1] and len(reader.seals) == 1
    kept = {one.id for one in reader.series().secrets}
    assert other.secret in kept and past.secret not in kept


async def test_a_backup_into_a_folder_that_is_not_there_makes_it(
    past: Past, tmp_path: Path
) -> None:
    """It became a file of that name, and the next backup was refused."""
    folder = tmp_path / "srv" / "backups"
    words = ("--home", str(past.home), "backup", "--store", past.url, "--out", str(folder))
    for made in (1, 1 + 1):
        status, out, err = await in_a_thread(*words)
        assert status == 0 and str(folder) in out, out + err
        await past.live(1)
        past.ms[0] += 60_000
        assert len(list(folder.iterdir())) == made
    assert folder.stat().st_mode & 0o077 == 0


async def test_a_backup_under_the_seals_of_another_cloud_says_whose_they_are(
    past: Past, tmp_path: Path
) -> None:
    url = f"sqlite://{tmp_path}/restored/log.db"
    home = await restored(past, tmp_path, url)
    (home / SEALS).unlink()
    words = ("--home", str(past.home), "backup", "--store", url, "--out", str(tmp_path / "x.gz"))
    status, _, err = await in_a_thread(*words)
    assert status == 1 and "not those of this log, cloud" in err and "--home DIR" in err
    assert not (tmp_path / "x.gz").exists()


async def test_the_command_compares_a_copy_with_the_seals_of_the_home(
    past: Past, tmp_path: Path
) -> None:
    """Seals that were cut off at home are missing there, however whole the copy is."""
    await past.seal()
    kept = copy_of(past, tmp_path / "kept")
    words = ("--home", str(past.home), "verify", "--store", past.url, "--seals", str(kept))
    status, out, err = await in_a_thread(*words)
    assert status == 0 and "under 2 seals is whole" in out, out + err
    if past.url.startswith("sqlite"):
        lines = (past.home / SEALS).read_text().splitlines(keepends=True)
        (past.home / SEALS).write_text(lines[0])
        status, out, _ = await in_a_thread(*words)
        assert status == 1 and "the seals from number 2 on are gone" in out
