"""Every command x every id parameter x everybody, compared with the rule table.

The outcome is read from the gateway's answer, so nothing is tested that a request cannot reach;
and what a request cannot reach is reported: that list must be empty.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.authz import NOUNS
from api.declare import Names, Spec
from api.fields import Field, Kind, read
from tests.api.everybody import House, Things, commands, filled, given, house
from tests.api.personas import STANDING, Twins, put, settle, share
from tests.api.rule_table import PERSONAS, ROLE_TYPES, letter, rule
from tests.tenant.world import named

pytestmark = pytest.mark.timeout(300)

NOTHING = named("what has never been")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        await settle(one)
        yield one


@dataclass(frozen=True)
class Spot:
    """One id parameter of one command, for one of the nouns that it may name."""

    spec: Spec
    outer: Field
    param: Field
    kind: str
    word: str = ""

    @property
    def names(self) -> Names:
        found: Names = self.param.mark(Names)
        return found

    @property
    def path(self) -> str:
        """As the parameter is sent, and as refusals call it."""
        inside = self.outer is not self.param
        return f"{self.outer.wire}[0].{self.param.wire}" if inside else self.param.wire

    def __str__(self) -> str:
        return f"{self.spec.name}.{self.path} ({self.kind})"

    def ask(self, things: Things, value: object) -> dict[str, str]:
        """The command filled with these things, save that this parameter says `value`."""
        base = filled(things, self.spec)
        if self.outer is not self.param:
            base |= given(things, self.outer, self.outer.wire)
        if self.word:
            base[self.names.by.replace("_", "")] = self.word
        return base | {self.path: str(value)}


def spots() -> Iterator[Spot]:
    """Whatever has to be walked."""
    for spec in commands():
        for outer in spec.params:
            inner = read(outer.of) if outer.element is Kind.OBJECT else ()
            for param in (outer, *inner):
                names: Names | None = param.mark(Names)
                if names is None:
                    continue
                if isinstance(names.kind, str | tuple):
                    yield from (Spot(spec, outer, param, kind) for kind in names.kinds)
                else:
                    first = {kind: word for word, kind in reversed(list(names.kind.items()))}
                    yield from (Spot(spec, outer, param, k, w) for k, w in first.items())


def outcome(status: int, told: Any, spot: Spot, value: object) -> str:
    """What an answer says of the id: yes, no, as if it had never been, or nothing (`?`)."""
    text = told.get("errortext", "")
    if f"Invalid parameter {spot.path} value={value} " in text:
        return "-"
    if "entity does not exist" in text:
        return "?"
    refused = status == 531 and f"may see {spot.kind} {value} but may not" in text
    return "n" if refused else "y"


def exists(here: House, kind: str) -> bool:
    """Is there a table of this noun, or do its lists stand for a noun to come?"""
    try:
        here.cloud.table(kind)
    except KeyError:
        return False
    return True


class Walk:
    """Asks, dry if the answer is to be yes and for real if it is to be no; keeps what was wrong."""

    def __init__(self, here: House) -> None:
        self.here = here
        self.start = here.position
        self.wrong: list[str] = []

    async def outcome(
        self, who: str, spot: Spot, things: Things, value: object, *, refused: bool
    ) -> str:
        dry = {} if spot.spec.reads or refused else {"dryrun": "true"}
        params = spot.ask(things, value) | dry
        status, told = await self.here.ask(who, spot.spec.name, params)
        if "Internal error" in told.get("errortext", ""):
            self.wrong.append(f"{who}: {spot}: {told}")
        if self.here.position != self.start:
            self.wrong.append(f"{who}: {spot} wrote to the log")
            self.start = self.here.position
        return outcome(status, told, spot, value)


async def test_every_id_of_every_command_by_everybody(here: House) -> None:
    share(here)
    walk, uncovered = Walk(here), []
    twins = {who: Twins(here, who) for who in PERSONAS}
    for spot in spots():
        thing = here.thing(spot.kind)
        if not exists(here, spot.kind):
            thing = NOTHING  # of a noun that nobody can make, there is nothing for anybody
        opener = next(who for who in PERSONAS if letter(who) in spot.spec.allow)
        reached = await walk.outcome(opener, spot, here, NOTHING, refused=True)
        if thing is None or reached != "-":
            uncovered.append(f"{spot}: {'no thing' if thing is None else 'not reached'}")
            continue
        for who in PERSONAS:
            if letter(who) not in spot.spec.allow or not spot.outer.open_to(
                ROLE_TYPES[letter(who)]
            ):
                continue
            expected = rule(spot.kind, NOUNS[spot.kind].scope, spot.names.right, who)
            if thing is NOTHING:
                expected = "-"
            if expected == " ":
                continue
            stranger = rule("vm", "owned", "see", who) == "-"
            things = twins[who] if stranger else here
            got = await walk.outcome(who, spot, things, thing, refused=expected != "y")
            if got == "?":
                uncovered.append(f"{spot}: another id hides it from {who}")
            elif got != expected:
                walk.wrong.append(f"{who}: {spot} to {spot.names.right}: {got}, not {expected}")
    assert not walk.wrong, "\n".join(walk.wrong)
    assert not uncovered, "\n".join(uncovered)


async def test_a_project_role_that_denies_makes_a_stranger(here: House) -> None:
    """What a member's role in the project denies, it denies on everything that the project has."""
    share(here)
    roles, member = here.cloud.table("project_role"), named("standing member")
    denied = msgspec.structs.replace(next(iter(roles)), id=NOTHING, rules=[("*", False, "")])
    put(here, "project_role", denied)
    here.cloud.table("project_member")[member].project_role_id = denied.id
    walk, twins, tried = Walk(here), Twins(here, "member"), 0
    for spot in spots():
        thing = here.thing(spot.kind)
        owned = NOUNS[spot.kind].scope == "owned" and spot.kind not in ("domain", "user")
        if thing is None or not owned or "U" not in spot.spec.allow or spot.path == "projectid":
            continue  # who names the project itself is told why
        if spot.outer.open_to("User"):
            tried += 1
            got = await walk.outcome("member", spot, twins, thing, refused=True)
            if got != "-":
                walk.wrong.append(f"{spot}: {got}")
    assert not walk.wrong, "\n".join(walk.wrong)
    assert tried > 300


async def test_a_project_is_run_by_its_owners(here: House) -> None:
    """A member uses what the project has, and changes nothing about the project itself."""
    share(here)
    start, found = here.position, []
    for spot in spots():
        runs = (spot.kind, spot.names.right, spot.word) == ("project", "operate", "")
        if not runs or "U" not in spot.spec.allow:
            continue
        for who in ("member", "one user"):
            asked = spot.ask(here, STANDING)
            status, told = await here.ask(who, spot.spec.name, asked)
            found.append(spot.spec.name)
            assert status == 531 and "is no owner of project" in told["errortext"], (spot, told)
    assert here.position == start
    assert {"updateProject", "deleteProject", "suspendProject", "addUserToProject"} <= set(found)
