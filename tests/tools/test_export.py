"""`sagastack export`: every event, in three formats, in order and whole."""

from __future__ import annotations

import importlib.util
import json
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow.parquet as pq
import pytest

from sagastack.tools import export
from tests.log.rooms import files_up_to
from tests.tools.conftest import Lived

ATTRIBUTES = {
    "specversion", "id", "source", "type", "subject", "time", "dataschema", "datacontenttype",
    "position", "previous", "version", "data",
}  # fmt: skip


def test_json_lines_are_every_event(lived: Lived) -> None:
    told = lived.lines("export", "--until", f"@{lived.marks['db']}")
    positions = [one["position"] for one in told]
    assert positions == sorted(set(positions)) and positions[-1] == lived.marks["db"]
    if not lived.store:
        assert positions == list(range(1, lived.marks["db"] + 1))
    behind = lived.lines("export", "--after", "5", "--until", f"@{lived.marks['db']}")
    assert behind == [one for one in told if one["position"] > 5]


def test_cloud_events_have_what_kafka_has(lived: Lived) -> None:
    words = ("export", "--format", "cloudevents", "--until", f"@{lived.marks['db']}")
    told = lived.lines(*words)
    assert all(set(one) == ATTRIBUTES for one in told)
    assert len({one["id"] for one in told}) == len(told)
    assert len({one["source"] for one in told}) == 1
    previous = "0"
    for one in told:
        assert one["previous"] == previous, "a reader can tell that nothing is missing"
        assert one["id"] == f"{one['subject']}/{one['version']}"
        assert datetime.fromisoformat(one["time"]).timestamp() * 1000 == one["data"]["at"]
        previous = one["position"]
    status, out, _ = lived.tool(*words, "--batch")
    assert status == 0 and json.loads(out) == told


def test_what_is_left_out_is_still_what_was_before(lived: Lived) -> None:
    whole = lived.lines("export", "--format", "cloudevents")
    part = lived.lines("export", "--format", "cloudevents", "--kind", "vm", "--after", "7")
    known = {one["id"]: one for one in whole}
    assert part and all(known[one["id"]] == one for one in part)
    assert {one["type"].partition(".")[0] for one in part} == {"vm"}
    first = lived.lines("export", "--format", "cloudevents", "--after", "7", "--until", "8")
    assert first == whole[7:8]


def test_of_one_account(lived: Lived) -> None:
    everyone = lived.lines("export")
    owner = next(
        one["data"]["account_id"]
        for one in everyone
        if one["topic"] == "vm.created" and one["data"]["name"] == "db"
    )
    own = lived.lines("export", "--account", owner)
    assert own == [one for one in everyone if one.get("account") == owner]
    assert {"vm.created", "volume.created"} <= {one["topic"] for one in own}
    name = next(
        one["data"]["name"]
        for one in everyone
        if one["topic"] == "account.created" and one["stream"] == owner
    )
    assert lived.lines("export", "--account", name) == own


def test_parquet_holds_the_same_in_row_groups(
    lived: Lived, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "ROW_GROUP_EVENTS", 100)
    until = f"@{lived.marks['db']}"
    path = tmp_path / "events.parquet"
    told = lived.told("export", "--format", "parquet", "--until", until, "--out", str(path))
    lines = lived.lines("export", "--until", until)
    assert told == {"events": len(lines), "file": str(path), "format": "parquet"}
    file = pq.ParquetFile(path)
    sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert len(sizes) > 2 and set(sizes[:-1]) == {100} and sum(sizes) == len(lines)
    assert file.schema_arrow.names == [
        "position", "stream", "version", "topic", "at", "user", "account", "saga", "action", "data"
    ]  # fmt: skip
    assert [as_line(row) for row in file.read().to_pylist()] == lines
    assert not path.with_name("events.parquet.partial").exists()


def as_line(row: dict[str, Any]) -> dict[str, Any]:
    told = row | {"at_ms": round(row["at"].timestamp() * 1000), "data": json.loads(row["data"])}
    return {k: v for k, v in told.items() if v is not None and k != "at"}


def test_a_file_instead_of_standard_output(lived: Lived, tmp_path: Path) -> None:
    words = ("export", "--until", f"@{lived.marks['web']}")
    path = tmp_path / "events.jsonl"
    status, out, _ = lived.tool(*words, "--out", str(path))
    assert status == 0 and f"events are in {path}" in out
    assert [json.loads(one) for one in path.read_text().splitlines()] == lived.lines(*words)


@pytest.mark.parametrize("kind", ["jsonl", "cloudevents", "parquet"])
def test_a_disk_that_is_full_leaves_no_part_of_a_file(
    lived: Lived, tmp_path: Path, kind: str
) -> None:
    """Half a file of lines looks like a whole one of less; what was there before stays."""
    path = tmp_path / "events"
    path.write_text("an earlier export")
    with files_up_to(6_000):
        status, _, err = lived.tool("export", "--format", kind, "--out", str(path))
    assert status == 1 and str(path) in err
    assert [one.name for one in tmp_path.iterdir()] == ["events"]
    assert path.read_text() == "an earlier export"


def test_without_pyarrow_it_says_what_to_do(
    lived: Lived, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    path = tmp_path / "events.parquet"
    status, _, err = lived.tool("export", "--format", "parquet", "--out", str(path))
    assert status == 1 and "pip install 'sagastack[parquet]'" in err and not path.exists()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--format", "parquet"), "--out FILE"),
        (("--batch",), "--batch is for --format cloudevents"),
        (("--account", "nobody"), "no account is, or ever was, called nobody"),
        (("--account", "nobody", "--format", "cloudevents", "--batch"), "called nobody"),
        (("--account", str(UUID(int=7))), "the log knows no account 00000000-"),
        (("--kind", "vm", "--kind", "spaceship"), "there is no kind spaceship; kinds are"),
        (("--after", "lately"), "is no moment"),
    ],
)
def test_what_is_wrong_is_told(
    lived: Lived, tmp_path: Path, words: tuple[str, ...], text: str
) -> None:
    status, out, err = lived.tool("export", *words)
    assert status != 0 and text in err and out == ""
    if "--out" not in text:
        kept = tmp_path / "kept"
        kept.write_text("an earlier export")
        lived.tool("export", *words, "--out", str(kept))
        assert kept.read_text() == "an earlier export"
