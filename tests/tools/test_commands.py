"""Every tool explains itself, and adds itself."""

from __future__ import annotations

import argparse

import pytest

from sagastack.cli import parser
from sagastack.release import release
from sagastack.tools.moments import Moment, joined

SERVING = ("serve", "quickstart")
PROMISED = (
    *("replay", "verify", "diff", "history", "whatif", "export", "backup", "restore"),
    *("upgrade", "doctor", "credentials"),
)


def commands() -> dict[str, argparse.ArgumentParser]:
    (found,) = [one for one in parser()._actions if isinstance(one, argparse._SubParsersAction)]
    return dict(found.choices)


@pytest.mark.parametrize("name", sorted(set(commands()) - set(SERVING)))
def test_help_shows_an_example(name: str) -> None:
    text = commands()[name].format_help()
    assert "example:" in text and f"sagastack {name}" in text.partition("example:")[2]


@pytest.mark.parametrize("name", PROMISED)
def test_what_scripts_rely_on_can_be_read_by_them(name: str) -> None:
    assert "--json" in commands()[name].format_help()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("@12", Moment("@12", position=12)),
        ("-2h", Moment("-2h", ago_ms=7_200_000)),
        ("-90s", Moment("-90s", ago_ms=90_000)),
        ("now", Moment("now")),
        ("1970-01-01T00:00:01Z", Moment("1970-01-01T00:00:01Z", at_ms=1000)),
        ("1970-01-01T01:00:01+0100", Moment("1970-01-01T01:00:01+0100", at_ms=1000)),
        ("1970-01-02", Moment("1970-01-02", at_ms=86_400_000)),
    ],
)
def test_moments(text: str, moment: Moment) -> None:
    assert Moment.parse(text) == moment


@pytest.mark.parametrize("text", ["@", "@-1", "2h", "-2y", "yesterday", "@1.5"])
def test_no_moments(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no moment"):
        Moment.parse(text)


def test_a_relative_moment_is_no_option() -> None:
    assert joined(["diff", "--from", "-2h", "--kind", "vm"]) == [
        "diff", "--from=-2h", "--kind", "vm"
    ]  # fmt: skip
    args = parser().parse_args(joined(["diff", "--from", "-2h", "--to", "-1m"]))
    assert (args.since.ago_ms, args.to.ago_ms) == (7_200_000, 60_000)


def test_it_says_which_release_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parser().parse_args(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out.strip() == f"sagastack {release()}"
