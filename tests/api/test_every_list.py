"""Every list by everybody: exactly the rows that the rule table lets them see, and no id besides.

Rows are compared with the whole table of their noun. Beside them, no answer may hold the id of
anything that is somebody else's, however deep in a row it is told.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from api.authz import NOUNS
from api.declare import Names, Spec
from tests.api.everybody import House, Things, commands, filled, house
from tests.api.personas import Twins, domain_of, settle, share
from tests.api.rule_table import PERSONAS, PROJECT, letter, rule
from tests.tenant.world import named

pytestmark = pytest.mark.timeout(300)

ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Who governs which domains, and all below, besides root.
GOVERNED = {
    "boss above": "/parent",
    "boss of ann": "/parent/ann",
    "boss below": "/parent/ann/sub",
    "boss of bob": "/parent/bob",
}
# What is everybody's though somebody owns it: public images, built-in access lists.
OPEN: dict[str, Callable[[Any], bool]] = {
    "network_acl": lambda row: row.account_id is None,
    "network_acl_item": lambda row: row.account_id is None,
    "template": lambda row: bool(row.is_public),
}
# Administrators' things whose ids the wire tells to those whose networks lie on them.
TOLD = ("physical_network", "vlan_ip_range")
# Lists about projects themselves show them whether or not what they have is asked for.
OF_PROJECTS = ("project", "project_member", "project_invitation", "project_role")
# What people have, and so no account of a project.
PERSONAL = ("api_key", "project_invitation")
# A list that leaves out some of what its callers may see: what is below has a top.
TOPLESS = ("listDomainChildren",)
# What a list needs to show all that it has.
MORE = {
    "listTemplates": {"templatefilter": "executable"},
    "listIsos": {"isofilter": "executable"},
    "listResourceDetails": {"resourcetype": "UserVm"},
    "listResourceIcon": {"resourcetype": "UserVm"},
}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        await settle(one)
        yield one


class Sight:
    """What the rule table says of each row of each table."""

    def __init__(self, here: House, *, shared: bool) -> None:
        self.here, self.shared = here, shared
        self.accounts, self.domains = here.cloud.table("account"), here.cloud.table("domain")
        self.projects = {row.account_id for row in here.cloud.table("project")}
        team = (row for row in here.cloud.table("project") if row.name == "team")
        self.team = next(team).account_id
        self.home = {who: _home(here, who) for who in PERSONAS}

    def governs(self, who: str, domain_id: UUID | None) -> bool:
        """Is it an administrator of this domain?"""
        row, top = self.domains.get(domain_id), GOVERNED.get(who)
        inside = row is not None and top is not None and f"{row.path}/".startswith(f"{top}/")
        return inside or who == "root"

    def of_its_project(self, who: str, account_id: UUID | None) -> bool:
        """Is this the account of a project that the persona belongs to?"""
        standing = self.shared and who in PROJECT and account_id == named("account ann")
        return standing or (who == "ann" and account_id == self.team)

    def is_near(self, who: str) -> bool:
        """Is what is ann's its own too?"""
        return who == "ann" or who in PROJECT or self.governs(who, named("domain ann"))

    def owner(self, kind: str, row: Any) -> tuple[UUID | None, UUID | None]:
        """Account and domain, wherever they are said."""
        if kind == "api_key":
            row = self.here.cloud.table("user")[row.user_id]
        account_id, domain_id = NOUNS["user" if kind == "api_key" else kind].owner(row)
        if domain_id is None and account_id is not None:
            domain_id = self.accounts[account_id].domain_id
        return account_id, domain_id

    def sees(self, who: str, kind: str, row: Any, *, project: bool = True) -> bool:
        """May this persona see the row? Without `project`, leave out what projects have."""
        scope = NOUNS[kind].scope
        if scope != "owned" and kind != "api_key":
            return rule(kind, scope, "see", who) == "y"
        if kind in OPEN and OPEN[kind](row):
            return True
        account_id, domain_id = self.owner(kind, row)
        if kind == "domain":
            return self.governs(who, row.id) or row.id == domain_of(who)
        if account_id == self.home[who]:
            return True
        if not project and account_id in self.projects and kind not in OF_PROJECTS + PERSONAL:
            return False
        if kind in PERSONAL:
            return self.governs(who, domain_id)
        return self.governs(who, domain_id) or self.of_its_project(who, account_id)

    def _of_team(self) -> set[UUID]:
        """Ann's real project and its roles, and her keys."""
        kinds = ("project", "project_role", "api_key")
        parts = [row for kind in kinds for row in self.here.cloud.table(kind)]
        hers = (self.team, named("account ann"))
        return {row.id for row in parts if self.owner(row.KIND, row)[0] in hers}

    def hidden(self, who: str) -> dict[str, str]:
        """The ids that no answer may hold, with their nouns.

        Told by design are: what is above one's domain, whose a public image is, who owns a
        project that one belongs to, and the project that one is invited to. What ann's own log
        says of her team and keys becomes a project's when her account does.
        """
        told = {self.domains[domain_of(who)].parent_id}
        for image in (row for row in self.here.cloud.table("template") if row.is_public):
            told |= {image.account_id, image.domain_id}
        if who in PROJECT and self.shared:
            told.add(named("account lead"))
            told |= self._of_team()
        if who == "ann":
            told |= {row.project_id for row in self.here.cloud.table("project_invitation")}
        return {
            str(row.id): kind
            for kind, guard in NOUNS.items()
            if guard.scope != "catalogue" and kind not in TOLD and _has(self.here, kind)
            for row in self.here.cloud.table(kind)
            if row.id not in told and not self.sees(who, kind, row)
        }


def _home(here: House, who: str) -> UUID:
    key = here.cloud.table("api_key").one("key", here.keys[who][0])
    assert key is not None, who
    found: UUID = here.cloud.table("user")[key.user_id].account_id
    return found


def _has(here: House, kind: str) -> bool:
    try:
        here.cloud.table(kind)
    except KeyError:
        return False
    return True


def lists(who: str, *, naming: bool = False) -> Iterable[Spec]:
    """The lists that a persona may ask without naming anything, or those that need a name."""
    for spec in commands():
        needed = any(param.required and param.mark(Names) for param in spec.params)
        listed = spec.reads and spec.shape == "list" and letter(who) in spec.allow
        if listed and needed is naming:
            yield spec


async def shown(
    here: House, who: str, spec: Spec, things: Things | None = None, **more: str
) -> tuple[set[str], set[str]]:
    """The ids of the rows of a list, and every id that its answer holds."""
    asked = filled(things or here, spec) | MORE.get(spec.name, {}) | more
    words = {*spec.by_wire} | ({"asof"} if spec.of_any_time else set())
    known = {name: value for name, value in asked.items() if name in words}
    status, told = await here.ask(who, spec.name, known)
    assert "Internal error" not in str(told), (spec.name, told)
    if status != 200:
        return set(), set(ID.findall(str(told)))
    rows = {str(row.get("id")) for row in told.get(spec.key, ())}
    return rows, set(ID.findall(str(told)))


def _takes_every_project(spec: Spec) -> bool:
    param = spec.by_wire.get("projectid")
    names: Names | None = None if param is None else param.mark(Names)
    return names is not None and names.every


async def compare(here: House, sight: Sight, personas: Iterable[str], **more: str) -> list[str]:
    """Ask every list as each persona; what differs from the rule table."""
    wrong = []
    everything = {}
    project = "projectid" in more
    for spec in lists("root"):
        ways = ({"listall": "true"}, {"listall": "true", "projectid": "-1"})
        each = [(await shown(here, "root", spec, None, **way))[0] for way in ways]
        everything[spec.name] = set[str]().union(*each)
    for who in personas:
        hidden = sight.hidden(who)
        for spec in lists(who):
            if project and not _takes_every_project(spec):
                continue
            rows, ids = await shown(here, who, spec, None, **more)
            leaks = {hidden[one] for one in ids if one in hidden}
            if leaks:
                wrong.append(f"{who}: {spec.name} tells ids of {sorted(leaks)}")
            plan = getattr(spec.cls, "PLAN", None)
            if plan is None or "id" not in {one.wire for one in spec.returns.FIELDS}:
                continue
            table = here.cloud.table(plan.kind)
            expected = {
                str(row.id) for row in table if sight.sees(who, plan.kind, row, project=project)
            } & everything.get(spec.name, set())
            if spec.name in TOPLESS:
                expected.discard(str(domain_of(who)))
            if rows != expected:
                extra, left = len(rows - expected), len(expected - rows)
                wrong.append(f"{who}: {spec.name} shows {extra} too many, leaves out {left}")
    return wrong


async def test_what_accounts_have(here: House) -> None:
    wrong = await compare(here, Sight(here, shared=False), PERSONAS, listall="true")
    assert not wrong, "\n".join(wrong)


async def test_the_past_shows_no_more(here: House) -> None:
    """The same of a moment ago, as the log tells it."""
    when = datetime.fromtimestamp((here.cloud.at_ms + 1) / 1000, UTC).isoformat()
    wrong = await compare(here, Sight(here, shared=False), PERSONAS, listall="true", asof=when)
    assert not wrong, "\n".join(wrong)


async def test_what_projects_have(here: House) -> None:
    """Ann's account is a project's: shown to its members and administrators who ask for it."""
    share(here)
    personas = [who for who in PERSONAS if who != "ann"]
    sight = Sight(here, shared=True)
    wrong = await compare(here, sight, personas, listall="true")
    wrong += await compare(here, sight, personas, listall="true", projectid="-1")
    assert not wrong, "\n".join(wrong)


async def test_lists_about_one_thing(here: House) -> None:
    """Whoever names something of its own is shown nothing of what is ann's."""
    share(here)
    sight = Sight(here, shared=True)
    strangers = [who for who in PERSONAS if not sight.is_near(who)]
    wrong, asked = [], set()
    for who in strangers:
        for spec in lists(who, naming=True):
            plan = getattr(spec.cls, "PLAN", None)
            rows, _ = await shown(here, who, spec, Twins(here, who), listall="true")
            table = here.cloud.table(plan.kind if plan else "vm")
            strange = [row.id for row in table if not sight.sees(who, row.KIND, row)]
            asked.add(spec.name)
            if rows & {str(one) for one in strange}:
                wrong.append(f"{who}: {spec.name} shows what is somebody else's")
    assert not wrong, "\n".join(wrong)
    assert {"listProjectRoles", "listProjectAccounts"} <= asked
