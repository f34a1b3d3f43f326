"""A name that several accounts have had: each tool says which there are, and how to name one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.place import PASSWORD, unique
from tests.tools.conftest import Lived

PERSON = {"email": "a@example.org", "firstname": "A", "lastname": "A"}


@pytest.fixture
def namesakes(lived: Lived) -> Iterator[tuple[str, str, str]]:
    """A name, the account that had it in another domain, and the one that has it."""
    api, name = lived.place.api, unique("alice")
    asked = {"username": name, "password": PASSWORD, "accounttype": 0, **PERSON}
    domain = api("createDomain", name=unique("elsewhere"))["domain"]
    gone = api("createAccount", domainid=domain["id"], **asked)["account"]["id"]
    api("deleteAccount", id=gone)
    now = api("createAccount", **asked)["account"]["id"]
    yield name, gone, now
    api("deleteAccount", id=now)


def test_what_has_the_name_is_meant_and_others_are_told(
    lived: Lived, namesakes: tuple[str, str, str]
) -> None:
    name, gone, now = namesakes
    words = ("history", "account", name, "--json")
    for told in (lived.tool(*words), lived.tool("diff", "--from", "-2h", "--account", name)):
        status, out, err = told
        assert status == 0 and now in out and gone not in out
        assert f"{name} is, or was, the name of 2 of kind account; this is {now}" in err
        assert f"  {gone}  removed\n" in err and f"  {now}  is there\n" in err


def test_an_export_needs_the_id_of_one(lived: Lived, namesakes: tuple[str, str, str]) -> None:
    """What the others did is in the log as well."""
    name, gone, now = namesakes
    status, out, err = lived.tool("export", "--account", name)
    assert status == 1 and out == ""
    assert "give the id of the one that is meant" in err and gone in err and now in err
    assert lived.tool("export", "--account", gone)[0] == 0


def test_a_name_that_was_given_up_is_known(lived: Lived) -> None:
    api, old, new = lived.place.api, unique("before"), unique("after")
    made = api("createAccount", username=old, password=PASSWORD, accounttype=0, **PERSON)
    one = made["account"]["id"]
    api("updateAccount", id=one, newname=new)
    assert lived.lines("history", "account", old, "--json")[0]["id"] == one
    assert lived.lines("export", "--account", old) == lived.lines("export", "--account", one)
    again = {"username": unique("again"), "account": old}
    api("createAccount", password=PASSWORD, accounttype=0, **again, **PERSON)
    status, _, err = lived.tool("export", "--account", old)
    assert status == 1 and f"  {one}  is now called {new}" in err
