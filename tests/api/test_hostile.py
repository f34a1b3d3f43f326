"""Whatever is really sent, by whomever: nothing unforeseen, and a refusal leaves the log alone.

A seeded fuzzer over the registry. Unlike in dry runs, what is well formed is done here, so the
fuzzer also meets a cloud that it has changed itself; it waits for each job that it began.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from aggregates.saga import RunState
from api.authz import NOUNS
from api.declare import Spec
from api.fields import Field, Kind, Names, read
from tests.api.everybody import House, commands, filled, given, house
from tests.api.rule_table import letter
from tests.api.test_every_command import FORESEEN, HOSTILE

pytestmark = pytest.mark.timeout(300)

SEEDS = (1, 2)
ASKED = 1_200
BUDGET_S = 25.0
WHO = ("root", "boss of ann", "ann", "bob", "boss of bob")
INJECTED = (
    "' OR 1=1 --",
    "x'; DROP TABLE event; --",
    "$(reboot)",
    "; rm -rf / #",
    "`id`",
    "| cat /etc/passwd",
    "../../../../etc/passwd",
    "..\\..\\windows",
    "file:///etc/passwd",
    "http://169.254.169.254/latest/meta-data",
    "%n%n%n%s",
    "{0.__class__.__mro__}",
    "${jndi:ldap://x/y}",
    "{{7*7}}",
    "x\r\nSet-Cookie: JSESSIONID=1",
    "x\nX-Injected: 1",
    "a\u202eb\u200b\u2066c",
    "\u0130\u0131\u1e9e\ufb03",
    "\ud7ff\U0010ffff",
    "<script>alert(1)</script>",
    "]]><!ENTITY x SYSTEM 'file:///etc/passwd'>",
    "null",
    "undefined",
    "[]",
    "{}",
    "true,false,,,",
    "0x10",
    "1e309",
    "١٢٣",
    "2000-02-30",
    "2025-01-01T00:00:00+99:99",
)
# What would lock out those who ask.
LOCKS_OUT = re.compile(
    r"(disable|lock|delete|update|move)(Account|User|Domain|Role|RolePermission)$"
    r"|registerUserKeys|deleteUserKey|RolePermission$|updateConfiguration|TwoFactor|importRole"
)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


class Fuzzer:
    """Makes requests from a seed, and holds every answer to what must always be so."""

    def __init__(self, here: House, seed: int) -> None:
        self.here, self.dice, self.wrong = here, random.Random(seed), list[str]()
        self.specs = [spec for spec in commands() if not LOCKS_OUT.search(spec.name)]
        self.done = 0

    def value(self, param: Field) -> str:
        """Anything: hostile, injected, somebody's id, nothing, or what was meant."""
        kind = self.dice.randrange(5)
        if kind == 0:
            return self.dice.choice(HOSTILE)
        if kind == 1:
            return self.dice.choice(INJECTED)
        if kind == 2:
            return str(self.any_id(param))
        return next(iter(given(self.here, param, param.wire).values()), "")

    def any_id(self, param: Field) -> UUID:
        """An id of the right noun or of any, whosever it is, or of nothing."""
        names: Names | None = param.mark(Names)
        kinds = names.kinds if names and self.dice.random() < 0.8 else tuple(NOUNS)
        try:
            rows = list(self.here.cloud.table(self.dice.choice(kinds)))
        except KeyError:
            rows = []
        if rows:
            found: UUID = self.dice.choice(rows).id
            return found
        return UUID(int=self.dice.getrandbits(128))

    def request(self, spec: Spec) -> dict[str, str]:
        """A command with some parameters right, some wrong, some left out and some twice."""
        asked = filled(self.here, spec)
        for param in self.dice.sample(spec.params, min(len(spec.params), self.dice.randrange(4))):
            if param.kind is Kind.MAP or param.element in (Kind.OBJECT, Kind.MAP):
                asked |= self.mapped(param)
            else:
                asked[param.wire] = self.value(param)
        if asked and self.dice.random() < 0.1:
            asked.pop(self.dice.choice(sorted(asked)))
        extra = {"customjobid": str(uuid4()), "idempotencykey": "x" * self.dice.choice((1, 9, 999))}
        for name in extra:
            if self.dice.random() < 0.05:
                asked[name] = self.dice.choice((extra[name], self.dice.choice(INJECTED)))
        return asked

    def mapped(self, param: Field) -> dict[str, str]:
        """Groups of a map, well formed or not."""
        made = given(self.here, param, param.wire)
        fields = read(param.of) if param.element is Kind.OBJECT else ()
        for inner in fields:
            if self.dice.random() < 0.5:
                made[f"{param.wire}[0].{inner.wire}"] = self.value(inner)
        index = self.dice.choice(("0", "", "-1", "x", "9" * 30, "[", "0].x[1"))
        if self.dice.random() < 0.3:
            name = self.dice.choice(("key", "value", "", "x", "__class__", "key]"))
            made[f"{param.wire}[{index}].{name}"] = self.dice.choice(INJECTED)
        return made

    async def ask(self, who: str, spec: Spec) -> None:
        """One request, with all that must be so of its answer."""
        asked, before = self.request(spec), self.here.position
        status, told = await self.here.ask(who, spec.name, asked)
        text = str(told.get("errortext", ""))
        shown = {name: value[:80] for name, value in asked.items()}
        if status not in FORESEEN or "Internal error" in text or "Traceback" in text:
            self.wrong.append(f"{who}: {spec.name} {shown}: {status} {text}")
        if status != 200 and self.here.position != before:
            self.wrong.append(f"{who}: {spec.name} {shown} was refused and wrote: {text}")
        if status == 200:
            self.done += not spec.reads
            await self.settle()

    async def settle(self) -> None:
        """Wait for whatever was begun."""
        for run in list(self.here.cloud.table("saga")):
            if run.state in (RunState.RUNNING, RunState.UNDOING):
                await self.here.controller.engine.runner.wait(run.id)


@pytest.mark.parametrize("seed", SEEDS)
async def test_what_is_really_asked(here: House, seed: int) -> None:
    fuzzer, end = Fuzzer(here, seed), time.monotonic() + BUDGET_S
    for _ in range(ASKED):
        who = fuzzer.dice.choice(WHO)
        spec = fuzzer.dice.choice(fuzzer.specs)
        if letter(who) in spec.allow or who == "root":
            await fuzzer.ask(who, spec)
        if time.monotonic() > end:
            break
    assert not fuzzer.wrong, "\n".join(fuzzer.wrong)
    assert fuzzer.done > 10, "hardly anything was done: the requests are too wild"
