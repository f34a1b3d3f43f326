"""Whatever is done to a log, its seals or its backups is found, and named by its place."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import msgspec
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.log import Seal, Stored, read_seals
from engine.log.seal import PRIVATE_KEY, PUBLIC_KEY, SEALS, seal
from sagastack.backups import shapes
from sagastack.backups.lines import BackupError, LinesWriter, read_lines
from sagastack.backups.series import Reader
from sagastack.backups.shapes import End, Line, Row, SealLine
from sagastack.proofs.whole import NO_SEAL, prove
from sagastack.settings import Settings
from sagastack.tools import export
from sagastack.tools.verify import verify
from tests.backups.past import Past

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
FORGER = Ed25519PrivateKey.from_private_bytes(bytes([7] * 32))


def execute(url: str, *statements: str) -> None:
    """Statements for both kinds of store: `position` stands for the column that says it."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite://"))) as database, database:
            for one in statements:
                database.execute(one.replace("position", "rowid"))
    else:
        with psycopg.connect(url) as connection:
            for one in statements:
                connection.execute(one.replace("position", "notification_id").encode())


async def found(past: Past, kept: Path | None = None, *, strict: bool = False) -> list[str]:
    looked = Settings(home=past.home, store=past.url)
    return (await verify(looked, kept=kept, strict=strict)).faults


def copy_of(past: Past, folder: Path) -> Path:
    folder.mkdir()
    for name in (SEALS, PUBLIC_KEY):
        shutil.copy(past.home / name, folder / name)
    return folder


FLIP = {
    "sqlite": "UPDATE stored_events SET state = CAST(replace(CAST(state AS TEXT), 'thing', 'thjng')"
    " AS BLOB) WHERE position = 20",
    "postgres": "UPDATE stored_events SET state = set_byte(state, 5, get_byte(state, 5) # 1)"
    " WHERE position = 20",
}
SWAP = [
    "UPDATE stored_events SET position = 100000 WHERE position = 20",
    "UPDATE stored_events SET position = 20 WHERE position = 21",
    "UPDATE stored_events SET position = 21 WHERE position = 100000",
]
CASES = {
    "drop": (["DELETE FROM stored_events WHERE position = 20"], "position"),
    "swap": (SWAP, "an event is not what was sealed"),
    "rename": (["UPDATE stored_events SET topic = 'logtoy.filled' WHERE position = 20"], "sealed"),
    "restream": (
        ["UPDATE stored_events SET originator_version = 7 WHERE position = 20"],
        "goes on with version 7",
    ),
    "cut": (
        ["DELETE FROM stored_events WHERE position > 50"],
        "60 events were sealed, 50 are here",
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_changed_store_is_found(past: Past, tmp_path: Path, case: str) -> None:
    assert await found(past) == []
    statements, named = CASES[case]
    execute(past.url, *statements)
    for faults in (await found(past), await found(past, copy_of(past, tmp_path / "kept"))):
        assert any(named in fault for fault in faults), faults


async def test_a_flipped_byte_is_found(past: Past) -> None:
    execute(past.url, FLIP["sqlite" if past.url.startswith("sqlite") else "postgres"])
    assert any("position 1: " in fault for fault in await found(past)), await found(past)


@pytest.mark.parametrize("as_text", [False, True])
async def test_an_inserted_row_is_found(past: Past, as_text: bool) -> None:
    url = past.url
    row = (await past.rows())[10]
    shift = [
        "UPDATE stored_events SET position = position + 100000 WHERE position > 20",
        "UPDATE stored_events SET position = position - 99999 WHERE position > 100000",
    ]
    execute(url, *shift)
    stream, state = uuid4(), f"'{row.state.decode()}'"
    identifier, blob = str(stream), f"{state}::bytea"
    if url.startswith("sqlite"):
        identifier, blob = stream.hex, f"CAST({state} AS BLOB)"
    columns = "position, originator_id, originator_version, topic, state"
    execute(
        url,
        f"INSERT INTO stored_events ({columns}) VALUES (21, '{identifier}', 1, '{row.topic}',"
        f" {state if as_text else blob})",
    )
    faults = await found(past)
    named = ("is not what was sealed", "not stored as the log stores rows")
    assert any(one in fault for fault in faults for one in named), faults


async def test_a_row_that_is_none_is_found(past: Past) -> None:
    if past.url.startswith("sqlite"):
        execute(past.url, "UPDATE stored_events SET originator_id = 'x' WHERE position = 20")
        (fault,) = await found(past)
        assert "is none of the log's" in fault
    else:
        execute(past.url, "UPDATE stored_events SET state = 'x' WHERE position = 20")
        assert any("position 20 " in fault for fault in await found(past))


async def test_a_log_cut_together_with_its_seals_is_found_by_a_copy(
    past: Past, tmp_path: Path
) -> None:
    await past.seal()
    kept = copy_of(past, tmp_path / "kept")
    lines = (past.home / SEALS).read_bytes().splitlines(keepends=True)
    (past.home / SEALS).write_bytes(lines[0])
    execute(past.url, "DELETE FROM stored_events WHERE position > 60")
    assert await found(past) == []  # That is why copies are kept elsewhere.
    (gone, missing) = await found(past, kept)
    assert "the seals from number 2 on are gone" in gone and "6 events were sealed" in missing


async def test_a_log_changed_and_sealed_anew_is_found_by_a_copy(past: Past, tmp_path: Path) -> None:
    kept = copy_of(past, tmp_path / "kept")
    execute(past.url, *SWAP)
    for name in (SEALS, PUBLIC_KEY, PRIVATE_KEY):
        (past.home / name).unlink()
    await past.open_anew()
    await past.seal()
    assert await found(past) == []
    faults = await found(past, kept)
    assert any("signed by somebody else, or anew" in fault for fault in faults)
    assert any("an event is not what was sealed" in fault for fault in faults)


async def test_without_seals_nothing_is_proved(past: Past, tmp_path: Path) -> None:
    kept = copy_of(past, tmp_path / "kept")
    (past.home / SEALS).unlink()
    (fault,) = await found(past)
    assert "there is no seal" in fault
    assert await found(past, kept) == []
    (fault,) = await found(past, kept, strict=True)
    assert "position 61: from here on nothing is sealed" in fault


# ---- backups -------------------------------------------------------------------------------


async def backup_faults(*files: Path, kept: Path | None = None) -> list[str]:
    return (await verify(Settings(home=Path("/nowhere")), files=files, kept=kept)).faults


async def test_no_byte_of_a_backup_can_be_changed(past: Past, tmp_path: Path) -> None:
    path = past.take(tmp_path).path
    assert await backup_faults(path, kept=past.home) == []
    whole, flipped = path.read_bytes(), tmp_path / "flipped.gz"
    for at in [*range(0, len(whole), 211), *range(12), *range(len(whole) - 130, len(whole))]:
        flipped.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert await backup_faults(flipped), f"byte {at}"
    for length in (0, 1, 50, len(whole) // 2, len(whole) - 1):
        flipped.write_bytes(whole[:length])
        (fault,) = await backup_faults(flipped)
        assert any(one in fault for one in ("was cut short", "is no backup", "is no row"))


def forged(path: Path, change: Callable[[list[Line]], None]) -> Path:
    """The file as a forger would write it: whole, each hash right, but without the key."""
    lines = [shapes.decode(line) for line in read_lines(path)]
    change(lines)
    out = path.with_name("forged.gz")
    out.unlink(missing_ok=True)
    with LinesWriter(out) as file:
        for line in lines:
            if isinstance(line, End):
                line = replace(line, lines=file.lines_hash())
            file.add(shapes.encode(line))
        file.close()
    return out


def rows_in(lines: list[Line]) -> list[int]:
    return [n for n, line in enumerate(lines) if isinstance(line, Row)]


def change_row(lines: list[Line]) -> None:
    at = rows_in(lines)[10]
    row = lines[at]
    assert isinstance(row, Row)
    lines[at] = msgspec.structs.replace(row, topic="logtoy.filled")


def drop_row(lines: list[Line]) -> None:
    del lines[rows_in(lines)[10]]


def swap_rows(lines: list[Line]) -> None:
    at = rows_in(lines)[10]
    lines[at], lines[at + 1] = lines[at + 1], lines[at]


def insert_row(lines: list[Line]) -> None:
    at = rows_in(lines)[10]
    lines.insert(at, lines[at])


def cut_rows(lines: list[Line]) -> None:
    for n in reversed(rows_in(lines)[-3:]):
        del lines[n]


def drop_secret(lines: list[Line]) -> None:
    del lines[-2]


def drop_seal(lines: list[Line]) -> None:
    lines[:] = [line for line in lines if not isinstance(line, SealLine)]


def no_end(lines: list[Line]) -> None:
    del lines[-1]


def other_place(lines: list[Line]) -> None:
    end = lines[-1]
    assert isinstance(end, End)
    lines[-1] = replace(end, position=end.position + 1)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (change_row, "rows are not those"),
        (drop_row, "rows are not those"),
        (swap_rows, "rows are not those"),
        (insert_row, "rows are not those"),
        (cut_rows, "rows are not those"),
        (drop_secret, "seals or secrets are missing"),
        (drop_seal, "seals or secrets are missing"),
        (no_end, "has no end"),
        (other_place, "was not signed by the key that it names"),
    ],
)
async def test_a_falsified_backup_is_found(
    past: Past, tmp_path: Path, change: Callable[[list[Line]], None], named: str
) -> None:
    (fault,) = await backup_faults(forged(past.take(tmp_path).path, change))
    assert named in fault


async def test_a_backup_signed_by_another_key_is_found_by_a_copy(
    past: Past, tmp_path: Path
) -> None:
    """A forger changes a row, seals it all anew, and signs the backup with a key of its own."""
    kept = copy_of(past, tmp_path / "kept")
    execute(past.url, *SWAP)
    for name in (SEALS, PUBLIC_KEY, PRIVATE_KEY):
        (past.home / name).unlink()
    await past.open_anew()
    await past.seal()
    path = past.take(tmp_path).path
    assert await backup_faults(path) == []
    faults = await backup_faults(path, kept=kept)
    assert any("signed by somebody else" in fault for fault in faults)


async def test_an_older_backup_is_proved_by_a_newer_copy(past: Past, tmp_path: Path) -> None:
    path = past.take(tmp_path).path
    await past.live(5)
    await past.seal()
    assert await backup_faults(path, kept=past.home) == []
    assert Reader([path]).seals == read_seals(past.home / SEALS)[:1]


# ---- exports -------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [False, True])
async def test_an_export_of_cloudevents_is_proved(past: Past, tmp_path: Path, batch: bool) -> None:
    out, settings = tmp_path / "events.json", Settings(home=past.home, store=past.url)
    with out.open("wb") as file:
        await export._write(
            export.lines(settings, export.Wanted(), "cloudevents"), file, batch=batch
        )
    assert await backup_faults(out, kept=past.home) == []
    whole = out.read_bytes()
    out.write_bytes(whole.replace(b'"thing 1"', b'"thing 9"', 1))
    assert any("an event is not" in fault for fault in await backup_faults(out, kept=past.home))
    lines = whole.splitlines(keepends=True)
    out.write_bytes(b"".join(lines[:20] + lines[21:]))
    assert any("are missing" in fault for fault in await backup_faults(out, kept=past.home))
    # Up to where it goes it is proved, without the seals behind that.
    out.write_bytes(b"".join(lines[:30]))
    done = await verify(settings, files=[out])
    assert done.faults == [NO_SEAL] and any("ends at position" in note for note in done.notes)
    out.write_bytes(b'{"position":1,"topic":"logtoy.made"}\n')
    (fault,) = await backup_faults(out, kept=past.home)
    assert "--format cloudevents" in fault


# ---- any tampering -------------------------------------------------------------------------


def a_log(count: int, stretch: int) -> tuple[list[Stored], list[Seal]]:
    rows = [
        Stored(n + 1, uuid4(), 1, "logtoy.made", b'{"at":1,"d":{"name":"%d"}}' % n)
        for n in range(count)
    ]
    seals: list[Seal] = []
    for first in range(0, count, stretch):
        before = seals[-1] if seals else None
        seals.append(seal(rows[first : first + stretch], before, KEY, at_ms=first))
    return rows, seals


def swap(rows: list[Stored], at: int) -> None:
    """Two neighbours, each with the other's position."""
    one, two = rows[at], rows[at + 1]
    rows[at], rows[at + 1] = (
        two._replace(position=one.position),
        one._replace(position=two.position),
    )


def insert(rows: list[Stored], at: int) -> None:
    """One more, and the others moved up."""
    rows.insert(at, rows[at]._replace(stream=uuid4()))
    rows[at + 1 :] = [row._replace(position=row.position + 1) for row in rows[at + 1 :]]


def tamper(rows: list[Stored], way: str, at: int, bit: int) -> None:
    row = rows[at]
    if way == "flip":
        place = bit % (len(row.state) * 8)
        state = bytearray(row.state)
        state[place // 8] ^= 1 << place % 8
        rows[at] = row._replace(state=bytes(state))
    elif way == "drop":
        del rows[at]
    elif way == "drop and close up":
        del rows[at]
        rows[at:] = [one._replace(position=one.position - 1) for one in rows[at:]]
    elif way == "swap":
        swap(rows, min(at, len(rows) - 2))
    elif way == "insert":
        insert(rows, at)
    else:
        del rows[at:]


WAYS = ("flip", "drop", "drop and close up", "swap", "insert", "cut")


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=150)
@given(
    st.integers(2, 40),
    st.integers(1, 9),
    st.sampled_from(WAYS),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)
def test_any_tampering_is_found(count: int, stretch: int, way: str, at: int, bit: int) -> None:
    rows, seals = a_log(count, stretch)
    public_key = KEY.public_key().public_bytes_raw().hex()
    assert prove(rows, seals, public_key).faults == []
    tamper(rows, way, at % count, bit)
    assert prove(rows, seals, public_key).faults
    # Sealed anew by somebody else, the true key says so.
    again: list[Seal] = []
    for first in range(0, len(rows), stretch):
        part = rows[first : first + stretch]
        again.append(seal(part, again[-1] if again else None, FORGER, at_ms=0))
    assert not rows or prove(rows, again, public_key).faults


async def test_no_backup_is_taken_of_a_log_that_was_cut(past: Past, tmp_path: Path) -> None:
    """Its seals go on: what is gone would be missing in every backup from then on."""
    await past.seal()
    execute(past.url, "DELETE FROM stored_events WHERE position > 62")
    with pytest.raises(BackupError, match="position 66 and the log ends at 62"):
        past.take(tmp_path / "full.gz")
    assert not (tmp_path / "full.gz").exists()
