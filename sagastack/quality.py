"""What each driver says of itself: per verb, whether it is done, and by what that was proved.

A driver's folder holds `quality.toml`, and `quality.<kind>.toml` for each further kind; an
extension's may hold one too, whose kind is the name of what it drives:

    kind = "VMware"
    proved = "emulator"             # what verbs were tried against, unless [proved_by] says other
    [driver]                        # and [compute], [storage]: every verb of the contract, by part
    connect = "done"                # or "todo: what is missing", or "exempt: why it does not apply"
    console = "done: but ..."       # what the hypervisor itself offers no call for
    [proved_by]
    console = "protocol"
    [unproved]                      # anything that no test has run, for people
    tls = "..."
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import drivers
from aggregates.errors import Invalid
from drivers.contract.compute import Compute
from drivers.contract.driver import Driver
from drivers.contract.storage import Storage

# A real peer of that kind, an emulator by others of it, or a server of ours from what is published.
PROOFS = ("real", "emulator", "protocol")
STATES = ("done", "todo", "exempt")
PARTS: Mapping[str, type] = {"driver": Driver, "compute": Compute, "storage": Storage}


@dataclass(frozen=True, slots=True)
class Verb:
    """`why` is what is missing of a `todo`, why an `exempt` one does not apply, and what the
    hypervisor itself cannot of what is done.
    """

    name: str
    part: str
    state: str
    why: str
    proved: str


@dataclass(frozen=True, slots=True)
class Quality:
    folder: str
    kind: str
    proved: str
    verbs: tuple[Verb, ...]
    unproved: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)

    def problems(self) -> list[str]:
        """What is wrong with the file itself."""
        found = [f"no line for {part}.{name}" for part, name in sorted(_due() - self._said())]
        found += [f"{part}.{name} is no verb" for part, name in sorted(self._said() - _due())]
        for one in self.verbs:
            if one.state not in STATES or (one.state != "done" and not one.why):
                found.append(f'{one.name}: "done", "todo: what" or "exempt: why"')
            if one.proved not in PROOFS:
                found.append(f"{one.name}: proved by one of {', '.join(PROOFS)}")
        return found

    def _said(self) -> set[tuple[str, str]]:
        return {(one.part, one.name) for one in self.verbs}


def read_all() -> list[Quality]:
    """Every quality file of every driver, by folder and kind."""
    root = Path(next(iter(drivers.__path__)))
    return [read(path) for path in sorted(root.glob("*/quality*.toml"))]


def examples() -> list[Path]:
    """The folders of the extensions that come with the source, where that is at hand."""
    root = Path(next(iter(drivers.__path__))).parent / "examples"
    return sorted(one.parent for one in root.glob("*/extension.toml"))


def read_extension(folder: Path) -> Quality | None:
    """What an extension says of itself; None if it says nothing."""
    path = folder / "quality.toml"
    try:
        return read(path) if path.is_file() else None
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise Invalid(f"{path} is not understood: {error!r}") from error


def read(path: Path) -> Quality:
    said: dict[str, Any] = tomllib.loads(path.read_text())
    beside = {
        f"{part}.{name}": str(value)
        for part, lines in said.items()
        if isinstance(lines, dict) and part not in (*PARTS, "proved_by", "unproved")
        for name, value in lines.items()
    }
    return Quality(
        folder=path.parent.name,
        kind=said["kind"],
        proved=said["proved"],
        verbs=tuple(_verbs(said)),
        unproved=said.get("unproved", {}),
        beside=beside,
    )


def _verbs(said: Mapping[str, Any]) -> Iterator[Verb]:
    proofs = said.get("proved_by", {})
    for part in PARTS:
        for name, value in said.get(part, {}).items():
            state, _, why = str(value).partition(":")
            yield Verb(name, part, state, why.strip(), proofs.get(name, said["proved"]))


def _due() -> set[tuple[str, str]]:
    return {
        (part, name)
        for part, protocol in PARTS.items()
        for name, member in vars(protocol).items()
        if not name.startswith("_") and callable(member)
    } - {("compute", "close")}
