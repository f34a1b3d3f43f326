"""`sagastack history`: the life of one thing, with its jobs' steps, also when it is gone."""

from __future__ import annotations

from pathlib import Path

from tests.tools.conftest import Lived
from tests.tools.run import run_tool


def test_a_life_with_the_steps_of_its_jobs(lived: Lived) -> None:
    told = lived.lines("history", "vm", "web", "--json")
    assert [one["position"] for one in told] == sorted({one["position"] for one in told})
    own = [one["event"] for one in told if one["kind"] == "vm"]
    assert own[0] == "vm.created" and own[-1] == "vm.stopped" and "vm.started" in own
    assert {one["by"] for one in told} == {"admin"}
    steps = [step for one in told if one["job"] == "vm.deploy:1" for step in one["steps"]]
    assert {"place", "start"} & set(steps), steps
    assert {"deployVirtualMachine", "stopVirtualMachine"} == {
        one["command"] for one in told if one["kind"] == "vm"
    }
    bare = lived.lines("history", "vm", "web", "--no-steps", "--json")
    assert [one["event"] for one in bare] == own


def test_what_is_gone_is_found_by_its_name(lived: Lived) -> None:
    by_name = lived.lines("history", "vm", "gone", "--json")
    assert by_name == lived.lines("history", "vm", lived.ids["gone"], "--json")
    assert [one for one in by_name if one["kind"] == "vm"][-1]["event"] == "vm.expunged"


def test_until_a_moment(lived: Lived) -> None:
    until = f"@{lived.marks['web']}"
    own = lived.lines("history", "vm", "web", "--no-steps", "--until", until, "--json")
    assert own[-1]["event"] == "vm.started"
    status, _, err = lived.tool("history", "vm", lived.ids["gone"], "--until", until)
    assert status == 1 and "by then" in err


def test_sentences_are_lines(lived: Lived) -> None:
    status, out, _ = lived.tool("history", "vm", "web")
    lines = out.splitlines()
    assert status == 0 and all(line.startswith("20") for line in lines)
    assert any("vm.deploy:1 steps_succeeded" in line for line in lines)
    assert "vm.stopped" in lines[-1] or "succeeded" in lines[-1]


def test_a_name_that_several_had_needs_an_id(lived: Lived) -> None:
    for _ in range(2):
        lived.place.expunge(lived.place.deploy(name="twin"))
    status, _, err = lived.tool("history", "vm", "twin")
    assert status == 1 and "the name of 2 of kind vm: give the id" in err
    assert err.count("  removed") == 2


def test_a_name_that_others_had_is_told(lived: Lived) -> None:
    """One that is gone, and one that has another name now: what has the name is meant."""
    place = lived.place
    gone = place.deploy(name="again")
    place.expunge(gone)
    now = place.deploy(name="again")
    status, out, err = lived.tool("history", "vm", "again", "--json")
    assert status == 0 and out and {gone["id"], now["id"]} <= set(err.split())
    assert f"this is {now['id']}, name another by its id" in err
    assert f"  {gone['id']}  removed" in err and f"  {now['id']}  is there" in err
    assert out == lived.tool("history", "vm", now["id"], "--json")[1]
    assert lived.tool("history", "vm", gone["id"])[2] == ""


def test_there_is_no_log(tmp_path: Path) -> None:
    status, _, err = run_tool("--home", str(tmp_path / "none"), "history", "vm", "web")
    assert status == 1 and "there is no log at" in err and "--home" in err
    assert not (tmp_path / "none").exists()
