"""A declaration that could mislead anybody ends the process, at its start or when it is read."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import pytest
from msgspec import structs

from api.declare import (
    REGISTRY,
    VIEWS,
    Bound,
    Caller,
    Free,
    Names,
    Success,
    View,
    command,
    entry,
    load,
    view,
)
from api.fields import DeclarationError, date
from api.lists import Filter, list_command
from tests.api.fakes import ToyZoneView, hosts, zones


async def run(self: Any, caller: Caller) -> None: ...


def declare(name: str = "testToyOnly", **more: Any) -> Any:
    return command(name, returns=Success, allow="A", **more)


class UndeclaredId:
    """Has an id that names nothing."""

    zone_id: Annotated[UUID, "a zone"]
    run = run


class UndeclaredIds:
    """Has ids that name nothing."""

    zone_ids: Annotated[list[UUID] | None, "zones"] = None
    run = run


class UndeclaredText:
    """Has an id in text."""

    resource_id: Annotated[str, "something"]
    run = run


class Undocumented:
    """Has a parameter without a sentence."""

    name: str
    run = run


class WrongRight:
    """Asks for a right that there is not."""

    id: Annotated[UUID, "a zone", Names("toy_zone", right="own")]
    run = run


class Odd:
    """Has a type without a form on the wire."""

    name: Annotated[complex, "a number"]
    run = run


class NoDoc:
    run = run


class NoRun:
    """Cannot run."""


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (UndeclaredId, "does not say what it names"),
        (UndeclaredIds, "does not say what it names"),
        (UndeclaredText, "does not say what it names"),
        (Undocumented, "no sentence"),
        (WrongRight, "no right 'own'"),
        (Odd, "no form on the wire"),
        (NoDoc, "no docstring"),
        (NoRun, "async def run"),
    ],
)
def test_a_doubtful_command_is_refused(cls: type, words: str) -> None:
    try:
        with pytest.raises(DeclarationError, match=words):
            declare()(cls)
            assert REGISTRY["testToyOnly"].params
    finally:
        REGISTRY.pop("testToyOnly", None)


def test_an_id_within_a_map_needs_names_too() -> None:
    class Group:
        network_id: Annotated[UUID, "a network"]

    with pytest.raises(DeclarationError, match="does not say what it names"):
        entry(Group)


def test_a_name_is_declared_once() -> None:
    class Again:
        """Declared already."""

        run = run

    with pytest.raises(DeclarationError, match="declared twice"):
        declare("createToyDisk")(Again)


def test_an_object_needs_a_key_and_roles_are_letters() -> None:
    class Keyless:
        """Fine but for what the decorator is told."""

        run = run

    class Roleless(Keyless):
        """Fine but for what the decorator is told."""

    with pytest.raises(DeclarationError, match="key"):
        command("testToyOnly", returns=ToyZoneView, allow="A")(Keyless)
    with pytest.raises(DeclarationError, match="ARDU"):
        command("testToyOnly", returns=Success, allow="X")(Roleless)


def test_a_view_has_no_default_but_none() -> None:
    class Bad(View, kw_only=True):
        flag: Annotated[bool, "a flag"] = False

    with pytest.raises(DeclarationError, match="would vanish"):
        view(Bad)


def test_what_only_some_roles_see_can_be_left_out() -> None:
    """A field that must be there would be told to everybody else as null."""
    load()
    for shown in VIEWS.values():
        must = {one.name for one in structs.fields(shown) if one.required}
        assert not must & {one.attr for one in shown.LIMITED}, shown.__name__


def test_a_filter_names_an_attribute_that_rows_have() -> None:
    class ListWrong:
        """Filters by what is not there."""

        colour: Annotated[str | None, "a colour"] = None

    list_command("listToyWrong", view=ToyZoneView, table=hosts, key="x", scope="admin")(ListWrong)
    spec = REGISTRY.pop("listToyWrong")
    with pytest.raises(DeclarationError, match=r"ToyHost\.colour"):
        assert spec.params


def test_a_noun_is_guarded_in_one_way() -> None:
    with pytest.raises(DeclarationError, match="toy_zone is declared catalogue and admin"):
        list_command("listToyWrong", view=ToyZoneView, table=zones, key="x", scope="admin")


def test_dates_and_bounds() -> None:
    assert date(1_761_832_299_123) == "2025-10-30T13:51:39+0000"
    assert date(None) is None
    with pytest.raises(ValueError, match="at most 3"):
        Bound(1, 3)(4)
    assert Filter().attr == "" and Free("why").why == "why"
