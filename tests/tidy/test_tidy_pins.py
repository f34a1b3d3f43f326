"""What is installed is what was pinned: every package exact, every file known by its hash."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.tidy.tree import ROOT

LOCKS = (
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-otel.txt",
    "requirements-parquet.txt",
    "requirements-libvirt.txt",
)


def pins(name: str) -> dict[str, str]:
    """Package to version; an entry that is not exact or has no hash is an error."""
    found = {}
    text = (ROOT / name).read_text().replace("\\\n", " ")
    for line in text.splitlines():
        entry = line.strip()
        if entry and not entry.startswith("#"):
            match = re.fullmatch(
                r"([\w.-]+)==(\S+)(\s+;[^#]*?)?((\s+--hash=sha256:\w{64})+)", entry
            )
            assert match, f"{name}: {entry[:80]}"
            found[canonical(match[1])] = match[2]
    return found


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("name", LOCKS)
def test_every_entry_is_exact_and_hashed(name: str) -> None:
    assert pins(name)


def test_the_tests_run_on_what_the_cloud_runs_on() -> None:
    run, dev = pins("requirements.txt"), pins("requirements-dev.txt")
    assert run.items() <= dev.items(), run.items() - dev.items()


def test_everything_declared_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    declared = [*project["dependencies"], *(line for extra in extras for line in extra)]
    names = {canonical(re.split(r"[\[<>=~!; ]", line)[0]) for line in declared}
    pinned = {name for lock in LOCKS for name in pins(lock)}
    assert names <= pinned, f"`make lock` pins {names - pinned}"
