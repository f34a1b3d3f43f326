"""What was backed up comes back byte by byte, into either store, to any moment, or not at all."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aggregates.identity import IDENTITY, IdentityRestored
from engine.cluster.sealer import KEY_ID
from engine.log import Log, Sealer, codec
from engine.log.identity import cloud_id
from engine.log.seal import seal
from engine.log.stores import open_store
from engine.vault import Vault
from sagastack.backups import home as homes
from sagastack.backups import restore as restoring
from sagastack.backups.lines import BackupError
from sagastack.backups.take import take
from sagastack.cli import main
from sagastack.settings import Settings
from sagastack.tools.verify import verify
from tests.backups.past import Past, back, rows_of, wish
from tests.log.rooms import files_up_to

NEW = UUID(int=77)
Database = Callable[[str, Path], str]


def place(tmp_path: Path) -> tuple[Path, Path]:
    """A new data folder that is not there yet, and the log in it."""
    home = tmp_path / "restored"
    return home, home / "log.db"


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_stopped_cloud_moves_to_either_store_and_goes_on(
    past: Past, tmp_path: Path, database: Database, kind: str
) -> None:
    taken = past.take(tmp_path)
    home, path = place(tmp_path)
    url = database(kind, path)
    done = back(wish(taken.path, into=url, home=home, keys=past.home))
    assert await rows_of(url) == await past.rows()
    assert done.position == past.commits[-1] and done.left_out == 0 and done.cloud == done.former
    # The same cloud, its seals and its secrets go on from there.
    vault = await Vault.open(home / "secrets.db")
    assert await vault.get(past.secret) == "a secret"
    await vault.close()
    moved = Past(url, home, await Log.open(url, now_ms=lambda: 10**8), [10**8], past.secret)
    try:
        await moved.live(2)
        assert moved.commits == [done.position + 1, done.position + 3]
        await moved.seal()
    finally:
        await moved.log.close()
    proved = await verify(Settings(home=home, store=url), kept=past.home, strict=True)
    assert proved.faults == [] and proved.events == done.position + 3


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_restore_to_a_moment_is_another_cloud_from_there_on(
    past: Past, tmp_path: Path, database: Database, kind: str
) -> None:
    full = past.take(tmp_path)
    await past.live(4)
    await past.seal()
    since = past.take(tmp_path, since=full.path)
    assert since.begin.after == full.end.position and since.end.rows == 7
    home, path = place(tmp_path)
    url = database(kind, path)
    done = back(
        wish(
            full.path,
            since.path,
            into=url,
            home=home,
            keys=past.home,
            at_ms=34_999,
            new_id=NEW,
        )
    )
    assert done.position == past.commits[33] and done.at_ms == 34_000
    *same, told = await rows_of(url)
    assert same == (await past.rows())[: done.position]
    event = codec.decode(told).event
    assert isinstance(event, IdentityRestored) and told.stream == IDENTITY
    assert (event.cloud_id, event.former, event.position) == (NEW, done.former, done.position)
    store = open_store(url, read_only=True)
    assert cloud_id(store) == NEW != full.begin.cloud
    store.close()
    # Restored once more, its stream of identities goes on.
    again = Past(url, home, await Log.open(url, now_ms=lambda: 1), [1], past.secret)
    await again.log.close()
    second = again.take(tmp_path / "second.gz")
    assert second.begin.cloud == NEW
    twice = tmp_path / "twice"
    into = f"sqlite://{twice}/log.db"
    back(wish(second.path, into=into, home=twice, keys=past.home, new_id=uuid4()))
    assert [row.version for row in await rows_of(into) if row.stream == IDENTITY] == [1, 2]


async def test_a_cut_is_never_inside_a_commit(past: Past, tmp_path: Path) -> None:
    taken = past.take(tmp_path)
    inside = next(
        after - 1 for before, after in zip(past.commits, past.commits[1:], strict=False)
        if after - before == 3
    )  # fmt: skip
    home, path = place(tmp_path)
    done = back(
        wish(
            taken.path,
            into=f"sqlite://{path}",
            home=home,
            keys=past.home,
            position=inside,
            new_id=NEW,
        )
    )
    assert done.position == inside - 2 and done.position in past.commits
    assert any("inside a commit" in note for note in done.notes)


async def test_what_is_written_meanwhile_is_left_to_the_next_backup(
    past: Past, tmp_path: Path
) -> None:
    """Commits go on while the backup is taken."""
    taking = asyncio.create_task(asyncio.to_thread(past.take, tmp_path / "a.gz"))
    while not taking.done():
        await past.live(1)
    first = taking.result()
    await past.live(1)
    second = past.take(tmp_path / "b.gz", since=first.path)
    home, path = place(tmp_path)
    into = f"sqlite://{path}"
    back(wish(first.path, second.path, into=into, home=home, keys=past.home))
    assert await rows_of(into) == await past.rows()


async def test_only_what_fits_is_restored(past: Past, tmp_path: Path) -> None:
    full = past.take(tmp_path / "full.gz")
    await past.live(1)
    one = past.take(tmp_path / "one.gz", since=full.path)
    await past.live(1)
    two = past.take(tmp_path / "two.gz", since=one.path)
    home, path = place(tmp_path)
    into = f"sqlite://{path}"

    def refused(*files: Path, keys: Path = past.home, **more: int) -> str:
        with pytest.raises(BackupError) as caught:
            back(wish(*files, into=into, home=home, keys=keys, **more))  # type: ignore[arg-type]
        assert not path.exists() and not (home / "secrets.db").exists()
        return str(caught.value)

    assert "begins behind position" in refused(one.path)
    assert "does not follow" in refused(full.path, two.path)
    assert "does not follow" in refused(full.path, one.path, full.path)
    assert "is not there" in refused(full.path, keys=tmp_path / "nowhere")
    other = tmp_path / "other"
    other.mkdir()
    (other / "secrets.db.key").write_bytes(bytes(32))
    assert "is not the key" in refused(full.path, keys=other)
    assert "cannot remain the same cloud" in refused(full.path, position=past.commits[3])
    assert "nothing had happened" in refused(full.path, at_ms=1)
    assert "is not known" in refused(full.path, at_ms=33_001)
    assert "is not known" in refused(full.path, position=full.end.position + 1)
    with pytest.raises(BackupError, match="there already"):
        past.take(full.path)


async def test_a_store_or_folder_in_use_is_left_alone(
    past: Past, tmp_path: Path, database: Database
) -> None:
    taken = past.take(tmp_path)
    before = await past.rows()
    with pytest.raises(BackupError, match=r"secrets\.db is there already"):
        back(wish(taken.path, into=past.url, home=past.home, keys=past.home))
    with pytest.raises(BackupError, match="holds a log"):
        back(wish(taken.path, into=past.url, home=tmp_path / "x", keys=past.home))
    assert await past.rows() == before and not (tmp_path / "x").exists()


class Cut(Exception):
    """The power fails."""


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.parametrize("where", ["fill", "rows", "read back"])
async def test_an_interrupted_restore_is_taken_up(
    past: Past,
    tmp_path: Path,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    where: str,
) -> None:
    taken = past.take(tmp_path)
    home, path = place(tmp_path)
    into = database(kind, path)
    wished = wish(taken.path, into=into, home=home, keys=past.home, new_id=NEW)

    def fails(*_: object, **__: object) -> None:
        raise Cut

    series = restoring.Series.rows
    with monkeypatch.context() as patch:
        if where == "fill":
            patch.setattr(homes, "_vault", fails)
        elif where == "rows":

            def some(self: restoring.Series, until: int | None = None) -> object:
                for n, row in enumerate(series(self, until)):
                    if n == 20:
                        raise Cut
                    yield row

            patch.setattr(restoring.Series, "rows", some)
        else:
            patch.setattr(restoring, "_read_back", fails)
        with pytest.raises(Cut):
            back(wished)
    # A controller does not begin another cloud there.
    assert await asyncio.to_thread(main, ["--home", str(home), "serve", "--port", "0"]) == 1
    assert "did not come to its end" in capsys.readouterr().err
    # Another wish is refused; the same one comes to its end, under the id that it began with.
    other = wish(taken.path, into=into, home=home, keys=past.home, position=8, new_id=NEW)
    with pytest.raises(BackupError, match="did not come to its end"):
        back(other)
    done = back(wish(taken.path, into=into, home=home, keys=past.home, new_id=uuid4()))
    assert done.resumed and done.cloud == NEW and not homes.unfinished(home)
    assert (await rows_of(into))[:-1] == await past.rows()
    vault = await Vault.open(home / "secrets.db")
    assert await vault.get(past.secret) == "a secret"
    await vault.close()


async def test_a_backup_that_is_cut_short_leaves_nothing(
    past: Past, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise Cut

    monkeypatch.setattr("sagastack.backups.sources.secrets", fails)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(Cut):
        past.take(out)
    assert list(out.iterdir()) == []


async def test_a_backup_that_finds_no_room_says_which_file_and_leaves_nothing(
    past: Past, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with files_up_to(500), pytest.raises(BackupError, match=f"{out}/.* could not be written"):
        past.take(out)
    assert list(out.iterdir()) == []


async def test_since_refuses_what_it_cannot_follow(past: Past, tmp_path: Path) -> None:
    taken = past.take(tmp_path / "full.gz")
    other = tmp_path / "other"
    other.mkdir()
    stranger = await Past.open(f"sqlite://{other}/log.db", other)
    await stranger.live(40)
    with pytest.raises(BackupError, match="another cloud"):
        stranger.take(tmp_path / "x.gz", since=taken.path)
    await stranger.log.close()
    # The chain of seals was begun anew in between.
    await past.live(1)
    shutil.copytree(past.home, tmp_path / "kept")
    for name in ("seals.jsonl", "seal.key", "seal.pub"):
        (past.home / name).unlink()
    await past.seal()
    with pytest.raises(BackupError, match="begun anew"):
        past.take(tmp_path / "x.gz", since=taken.path)
    assert not (tmp_path / "x.gz").exists()


async def test_a_damaged_log_is_not_kept_in_silence(past: Past, tmp_path: Path) -> None:
    sealer = await Sealer.open(past.log, past.home, now_ms=lambda: 1)
    await sealer.close()
    seals = past.home / "seals.jsonl"
    seals.write_text(seals.read_text().replace('"count":', '"count":1'))
    with pytest.raises(BackupError, match="not whole, so nothing was kept"):
        past.take(tmp_path / "x.gz")


async def test_secrets_that_controllers_share_are_kept_and_come_back(
    tmp_path: Path, database: Database
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    url = database("postgres", home)
    past = await Past.open(url, home)
    await past.live(3)
    await past.log.close()
    shared = await Vault.open_shared(url, home / "secrets.db.key", moving=home / "secrets.db")
    later = await shared.put("put by one of many")
    # Several controllers seal with a key that lies among the secrets.
    signing = Ed25519PrivateKey.generate()
    await shared.put(signing.private_bytes_raw().hex(), key=KEY_ID)
    await shared.close()
    rows = await rows_of(url)
    seals = [seal(rows, None, signing, at_ms=5)]
    (home / "seals.jsonl").write_bytes(msgspec.json.encode(seals[0]) + b"\n")
    (home / "seal.pub").write_text(signing.public_key().public_bytes_raw().hex())
    taken = take(
        url,
        home,
        tmp_path,
        at_ms=1,
        release="test",
        master=home / "secrets.db.key",
    )
    assert taken.end.secrets == 4 and taken.end.signature and taken.end.seals == 1
    new, into = tmp_path / "new", database("postgres", home)
    back(wish(taken.path, into=into, home=new, keys=home))
    # The first controller that starts on it takes the secrets into the database.
    vault = await Vault.open_shared(into, new / "secrets.db.key", moving=new / "secrets.db")
    assert await vault.get(past.secret) == "a secret"
    assert await vault.get(later) == "put by one of many"
    await vault.close()
    assert (new / "seal.key").read_text() == signing.private_bytes_raw().hex()
    # What is left of a former cloud in a database would stand in for what is restored.
    with psycopg.connect(into) as connection:
        connection.execute("DELETE FROM stored_events")
    with pytest.raises(BackupError, match="sagastack_vault of a former cloud"):
        back(wish(taken.path, into=into, home=tmp_path / "again", keys=home))
