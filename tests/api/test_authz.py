"""The rights, as a table: who may do what to whose, and nothing that no rule speaks of."""

from __future__ import annotations

from typing import Any

import pytest

from api.authz import NOUNS, Right, Verdict, judge, matrix, may_call, noun, uncovered
from api.caller import Identity
from api.declare import REGISTRY, load
from api.identity import identify
from tests.api.fakes import FakeEngine, Role, add_disk, make_engine, named, who

PERSONAS = ["root", "boss", "ann", "abe", "sue", "bob"]
LETTERS = {"y": Verdict.YES, "n": Verdict.NO, "-": Verdict.HIDDEN}

# Right by right: root admin, admin of /a, ann in /a, abe in /a, sue in /a/sub, bob in /b.
TABLE = {
    ("toy_disk", "disk ann", "see"): "yyy---",
    ("toy_disk", "disk ann", "use"): "yyy---",
    ("toy_disk", "disk ann", "operate"): "yyy---",
    ("toy_disk", "disk sue", "operate"): "yy--y-",
    ("toy_disk", "disk bob", "see"): "y----y",
    ("toy_disk", "disk root", "use"): "y-----",
    ("toy_disk", "disk team", "operate"): "yyy---",
    ("toy_disk", "public", "see"): "yyyyyy",
    ("toy_disk", "public", "use"): "yyyyyy",
    ("toy_disk", "public", "operate"): "ynnnny",
    ("toy_zone", "zone", "see"): "yyyyyy",
    ("toy_zone", "zone", "use"): "yyyyyy",
    ("toy_zone", "zone", "operate"): "ynnnnn",
    ("toy_zone", "zone-b", "see"): "y----y",
    ("toy_zone", "zone-b", "operate"): "y----n",
    ("toy_host", "host", "see"): "y-----",
    ("toy_host", "host", "use"): "y-----",
    ("toy_host", "host", "operate"): "y-----",
    ("account", "account ann", "operate"): "yyy---",
    ("account", "account bob", "see"): "y----y",
    ("domain", "/a", "see"): "yyyy--",
    ("domain", "/a", "operate"): "yynn--",
    ("domain", "/b", "see"): "y----y",
    ("domain", "/", "see"): "y-----",
    ("user", "user ann", "operate"): "yyy---",
    ("project", "team", "see"): "yyy---",
}


@pytest.fixture
def engine() -> FakeEngine:
    made = make_engine()
    add_disk(made, "public", named("account bob"), named("/b"), is_public=True)
    return made


@pytest.fixture(autouse=True)
def shared_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Public disks are open to all, as a noun says it of itself."""
    monkeypatch.setitem(NOUNS, "toy_disk", NOUNS["toy_disk"])
    noun("toy_disk", "owned", shared=lambda row, caller: bool(row.is_public))


@pytest.mark.parametrize(("kind", "name", "right"), TABLE)
def test_the_table(engine: FakeEngine, kind: str, name: str, right: str) -> None:
    row = engine.cloud.table(kind)[named(name)]
    got = {
        one: judge(who(engine, one), Right(right), NOUNS[kind], row, engine.cloud)
        for one in PERSONAS
    }
    letters = TABLE[kind, name, right]
    assert got == {one: LETTERS[c] for one, c in zip(PERSONAS, letters, strict=True)}


def test_an_ex_member_is_nobody(engine: FakeEngine) -> None:
    row = engine.cloud.table("toy_disk")[named("disk team")]
    engine.cloud.table("project_member").discard(named("ann in team"))
    verdict = judge(who(engine, "ann"), Right.SEE, NOUNS["toy_disk"], row, engine.cloud)
    assert verdict is Verdict.HIDDEN


def test_a_domain_whose_name_begins_alike_is_another(engine: FakeEngine) -> None:
    engine.cloud.table("domain")[named("/b")].path = "/ab"
    row = engine.cloud.table("toy_disk")[named("disk bob")]
    verdict = judge(who(engine, "boss"), Right.SEE, NOUNS["toy_disk"], row, engine.cloud)
    assert verdict is Verdict.HIDDEN


def test_every_id_of_every_command_is_covered() -> None:
    load()
    assert uncovered() == []
    named_ids = {(command, path) for command, path, _, _ in matrix()}
    assert ("createToyDisk", "nics[].zoneid") in named_ids
    assert ("deleteToyDisk", "id") in named_ids


def test_an_uncovered_noun_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(NOUNS, "toy_host")
    assert any("how a toy_host is guarded" in gap for gap in uncovered())


def identity(role_type: str, **more: Any) -> Identity:
    return Identity(named("u"), named("a"), named("/"), role_type, **more)


@pytest.mark.parametrize(
    ("role_type", "more", "command", "may"),
    [
        ("Admin", {}, "breakToyDisk", True),
        ("User", {}, "breakToyDisk", False),
        ("User", {}, "listToyDisks", True),
        ("User", {}, "listToyHosts", False),
        ("DomainAdmin", {}, "listToyHosts", False),
        ("ResourceAdmin", {}, "listToyHosts", True),
        ("", {}, "listToyDisks", False),
        ("Project", {}, "listToyDisks", False),
        ("User", {"rules": (("list*", True),)}, "listToyDisks", True),
        ("User", {"rules": (("list*", True),)}, "createToyDisk", False),
        ("User", {"rules": (("listToyD*", False), ("*", True))}, "listToyDisks", False),
        ("User", {"rules": (("LISTTOYD*", True),)}, "listToyDisks", True),
        ("User", {"rules": (("*", True),)}, "listToyHosts", False),
        ("User", {"rules": ()}, "listToyDisks", False),
        ("Admin", {"rules": (("list*", True),)}, "createToyDisk", False),
        ("Admin", {"key_rules": (("list*", True),)}, "createToyDisk", False),
        ("User", {"key_rules": (("*", True),)}, "breakToyDisk", False),
    ],
)
def test_who_may_call(role_type: str, more: dict[str, Any], command: str, may: bool) -> None:
    assert may_call(identity(role_type, **more), REGISTRY[command]) is may


def test_a_custom_role_brings_its_rules(engine: FakeEngine) -> None:
    role = Role(id=named("reader"), name="reader", role_type="User", rules=[("list*", True)])
    engine.cloud.add(role)
    engine.cloud.table("account")[named("account ann")].role_id = role.id
    ann = who(engine, "ann")
    assert not may_call(ann, REGISTRY["createToyDisk"])
    role.is_default = True  # as the read-only administrator is: built in, and bound by rules
    assert not may_call(who(engine, "ann"), REGISTRY["createToyDisk"])
    role.rules = []
    assert may_call(who(engine, "ann"), REGISTRY["createToyDisk"])
    role.is_default = False
    assert not may_call(who(engine, "ann"), REGISTRY["listToyDisks"])
    assert ann.rules == (("list*", True),)


@pytest.mark.parametrize(("kind", "name"), [("user", "user ann"), ("account", "account ann")])
@pytest.mark.parametrize("state", ["disabled", "locked", "", "Removed"])
def test_who_is_not_enabled_is_nobody(engine: FakeEngine, kind: str, name: str, state: str) -> None:
    assert identify(engine.cloud, named("user ann")) is not None
    engine.cloud.table(kind)[named(name)].state = state
    assert identify(engine.cloud, named("user ann")) is None


def test_an_unknown_user_is_nobody(engine: FakeEngine) -> None:
    assert identify(engine.cloud, None) is None
    assert identify(engine.cloud, named("nobody")) is None
