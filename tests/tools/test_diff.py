"""`sagastack diff`: what came, went and changed between two moments, by whom and how."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagastack.tools import diff
from tests.tools.conftest import Lived


def span(lived: Lived, first: str, last: str) -> tuple[str, ...]:
    return ("--from", f"@{lived.marks[first]}", "--to", f"@{lived.marks[last]}")


def one(told: Any, kind: str, name: str) -> Any:
    (found,) = [row for row in told["changes"] if (row["kind"], row["name"]) == (kind, name)]
    return found


def test_what_came(lived: Lived) -> None:
    told = lived.told("diff", *span(lived, "built", "web"))
    web = one(told, "vm", "web")
    assert web["change"] == "came" and web["id"] == lived.ids["web"]
    assert web["fields"]["state"] == {"before": None, "after": "Running"}
    (cause,) = web["causes"]
    assert (cause["by"], cause["command"], cause["job"]) == (
        "admin", "deployVirtualMachine", "vm.deploy:1"
    )  # fmt: skip
    assert {"vm.created", "vm.started"} <= set(cause["events"])
    assert told["counts"]["vm"] == {"came": 1} and told["counts"]["volume"] == {"came": 1}
    assert told["complete"] is True and "saga" not in told["counts"]


def test_what_changed_and_what_came_and_went_in_between(lived: Lived) -> None:
    told = lived.told("diff", *span(lived, "web", "gone"))
    web = one(told, "vm", "web")
    assert web["change"] == "changed"
    assert web["fields"]["state"] == {"before": "Running", "after": "Stopped"}
    assert [cause["command"] for cause in web["causes"]] == ["stopVirtualMachine"]
    assert all(row["name"] != "gone" for row in told["changes"])
    asked = {row["action"] for row in told["requests"]}
    assert {"VM.STOP", "VM.CREATE"} <= asked


def test_what_went_and_nothing(lived: Lived) -> None:
    doomed = lived.place.deploy(name="doomed")
    before = lived.end()
    lived.place.expunge(doomed)
    told = lived.told("diff", "--from", f"@{before}", "--kind", "vm")
    assert [(row["change"], row["name"]) for row in told["changes"]] == [("went", "doomed")]
    nothing = lived.told("diff", "--from", f"@{before}", "--to", f"@{before}")
    assert nothing["changes"] == [] and nothing["counts"] == {}


def test_of_one_account(lived: Lived) -> None:
    told = lived.told("diff", "--from", f"@{lived.marks['built']}", "--kind", "vm")
    names = {row["name"] for row in told["changes"]}
    assert {"web", "db"} <= names
    user = next(row for row in told["changes"] if row["name"] == "db")["causes"][0]["by"]
    mine = lived.told("diff", *span(lived, "built", "db"), "--kind", "vm", "--account", user)
    assert [row["name"] for row in mine["changes"]] == ["db"]


def test_for_people(lived: Lived) -> None:
    status, out, _ = lived.tool("diff", *span(lived, "web", "gone"), "--kind", "vm")
    assert status == 0
    assert "  ~ web" in out and "state: Running -> Stopped" in out
    assert "by admin: stopVirtualMachine (vm.stop:1)" in out
    host = next(line for line in out.splitlines() if line.strip().startswith("host_id:"))
    assert host.endswith("-> null") and "(" in host, "a host is told by its name"


def test_what_was_decided_at_once_is_told_by_its_action(lived: Lived) -> None:
    """The log does not know its command, and nobody is promised that."""
    before = lived.end()
    lived.place.api("updateVirtualMachine", id=lived.ids["db"], displayname="told")
    told = lived.told("diff", "--from", f"@{before}", "--kind", "vm")
    assert [one["command"] for one in one(told, "vm", "db")["causes"]] == ["VM.UPDATE"]
    last = lived.lines("history", "vm", "db", "--no-steps", "--json")[-1]
    assert last["command"] == "VM.UPDATE"
    _, out, _ = lived.tool("diff", "--help")
    assert "by whom and by which command or action" in out


def test_a_large_difference_is_summarised(lived: Lived, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diff, "ROWS_MAX", 3)
    words = ("diff", "--from", "@0", "--to", f"@{lived.marks['db']}")
    told = lived.told(*words)
    assert told["complete"] is False and told["changes"] == []
    assert told["counts"]["vm"] == {"came": 2} and told["requests"]
    status, out, _ = lived.tool(*words)
    assert status == 0 and "ask for --all" in out
    whole = lived.told(*words, "--all")
    assert len(whole["changes"]) == sum(sum(n.values()) for n in told["counts"].values())


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--from", "@99999999"), "there is no position 99999999 yet"),
        (("--from", "2999-01-01"), "has not come yet"),
        (("--from", "@9", "--to", "@3"), "swap them"),
        (("--from", "-2h", "--kind", "spaceship"), "there is no kind spaceship"),
        (("--from", "-2h", "--account", "nobody"), "give its id"),
        (("--from", "yesterday"), "is no moment: give a time"),
    ],
)
def test_what_is_wrong_is_told(lived: Lived, words: tuple[str, ...], text: str) -> None:
    status, out, err = lived.tool("diff", *words)
    assert status != 0 and text in err and out == "" and "Traceback" not in err


def test_relative_times(lived: Lived) -> None:
    told = lived.told("diff", "--from", "-2h", "--to", f"@{lived.marks['web']}", "--kind", "vm")
    assert told["from"]["position"] == 0 and [r["name"] for r in told["changes"]] == ["web"]
    assert json.dumps(told)
