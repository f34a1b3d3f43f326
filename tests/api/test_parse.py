"""From the wire to a typed command, in the exact words that clients match on."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import Any
from uuid import UUID

import pytest

from api.asks import KEPT, LONGEST, Asks
from api.declare import REGISTRY
from api.errors import ApiError, code_of
from api.parse import moment, normal, parse
from tests.api.fakes import named

SPEC = REGISTRY["createToyDisk"]
ZONE = str(named("zone"))


def disk(role_type: str = "User", **params: str) -> Any:
    raw = [
        (name.replace("__", ".").replace("_0", "[0]").replace("_1", "[1]"), value)
        for name, value in params.items()
    ]
    return disk_of([("name", "d"), ("zoneid", ZONE), *raw], role_type)


def disk_of(raw: list[tuple[str, str]], role_type: str = "User") -> Any:
    return parse(SPEC, normal(raw), role_type)


def refusal(raw: list[tuple[str, str]]) -> tuple[int, int | None, str]:
    with pytest.raises(ApiError) as caught:
        disk_of(raw)
    code = code_of(caught.value)
    assert code is not None
    return code.status, code.cs_code, str(caught.value)


def test_every_type() -> None:
    made = disk_of(
        [
            ("NAME", "web ~ 1"),
            ("zoneId", ZONE.upper()),
            ("size", "7"),
            ("factor", "1.5"),
            ("format", "qcow2"),
            ("since", "2025-10-30"),
            ("likeids", f"{ZONE}, {ZONE}"),
        ]
    )
    assert (made.name, made.zone_id, made.size, made.factor) == ("web ~ 1", UUID(ZONE), 7, 1.5)
    assert made.format == "QCOW2"
    assert made.since == 1_761_782_400_000
    assert made.like_ids == (UUID(ZONE), UUID(ZONE))


def test_what_was_parsed_is_what_its_class_would_make() -> None:
    """Commands are filled in without their class's help; nobody may be able to tell."""
    made = disk(size="7")
    assert made == SPEC.cls(name="d", zone_id=UUID(ZONE), size=7)
    assert set(vars(made)) == {one.name for one in fields(SPEC.cls)}
    with pytest.raises(FrozenInstanceError):
        made.name = "e"


def test_the_order_of_names_does_not_matter() -> None:
    sent = {"name": "a", "zoneid": ZONE, "strange": "b"}
    backwards = dict(reversed(sent.items()))
    assert parse(SPEC, sent, "User") == parse(SPEC, backwards, "User")
    assert SPEC.sent(sent) == SPEC.sent(backwards) == SPEC.sent(["name", "zoneid"])


def test_missing_and_empty_required() -> None:
    text = "Unable to execute API command createtoydisk due to missing parameter name"
    assert refusal([("zoneid", ZONE)]) == (431, 9999, text)
    assert refusal([("name", ""), ("zoneid", ZONE)]) == (431, 9999, text)


def test_an_id_that_is_none() -> None:
    assert refusal([("name", "d"), ("zoneid", "42")]) == (
        431,
        9999,
        "Unable to execute API command createtoydisk due to invalid value. Invalid parameter "
        "zoneid value=42 due to incorrect long value format, or entity does not exist or due to "
        "incorrect parameter annotation for the field in api cmd class.",
    )


@pytest.mark.parametrize("value", ["x", "1_000", "1.5", "９", "0x10", "9" * 19, "1e3", "--1"])
def test_bad_numbers(value: str) -> None:
    status, cs_code, text = refusal([("name", "d"), ("zoneid", ZONE), ("size", value)])
    assert (status, cs_code) == (431, 9999)
    assert text.startswith(
        f"Unable to execute API command createtoydisk due to invalid value {value} "
        "for parameter size"
    )


@pytest.mark.parametrize("value", ["nan", "inf", "1e999", "one"])
def test_bad_floats(value: str) -> None:
    assert refusal([("name", "d"), ("zoneid", ZONE), ("factor", value)])[0] == 431


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("size", "101", "at most 100"),
        ("size", "0", "at least 1"),
        ("format", "VMDK", "one of QCOW2, RAW"),
        ("name", "n" * 256, "256 characters"),
        ("name", "näme", "printable"),
        ("since", "yesterday", "a time such as"),
        ("nics", "x", "is a map"),
    ],
)
def test_checks_say_what_they_want(name: str, value: str, words: str) -> None:
    base = {"name": "d", "zoneid": ZONE}
    status, _, text = refusal([*(base | {name: value}).items()])
    assert status == 431 and words in text


def test_an_empty_optional_is_none_but_empties_text_and_lists() -> None:
    made = disk_of([("name", "d"), ("zoneid", ZONE), ("size", " "), ("likeids", ""), ("since", "")])
    assert (made.size, made.like_ids, made.since) == (None, (), None)


def test_spaces_alone_are_empty_text() -> None:
    base = [("name", " d "), ("zoneid", ZONE)]
    made = disk_of([*base, ("format", " \r\n")])
    assert (made.name, made.format) == (" d ", "")


def test_both_uses_of_a_map() -> None:
    made = disk(details_0__key="CPU", details_0__value="2", details_1__memoryMB="512")
    assert made.details == {"CPU": "2", "memoryMB": "512"}


def test_a_tag_without_a_value() -> None:
    assert disk(baretags_0__key="k").bare_tags == {"k": None}
    raw = [("name", "d"), ("zoneid", ZONE), ("details[0].key", "k")]
    assert refusal(raw)[2].endswith("due to missing parameter details[0].value")


def test_typed_groups() -> None:
    made = disk(nics_0__zoneId=ZONE, nics_0__ip4Address="10.0.0.1", nics_1__zoneid=ZONE)
    assert [(nic.zone_id, nic.ip4_address) for nic in made.nics] == [
        (UUID(ZONE), "10.0.0.1"),
        (UUID(ZONE), None),
    ]
    raw = [("name", "d"), ("zoneid", ZONE), ("nics[0].ip4address", "10.0.0.1")]
    assert refusal(raw)[2].endswith("due to missing parameter nics[0].zoneid")
    assert disk(grouplist_0__service="Dns").group_list == [{"service": "Dns"}]


@pytest.mark.parametrize(
    "name", ["details[0]", "details[0][1].key", "details[0.key", "details]0[.key", "[0].key"]
)
def test_a_malformed_map_is_430(name: str) -> None:
    assert refusal([("name", "d"), ("zoneid", ZONE), (name, "v")])[:2] == (430, 9999)


@pytest.mark.parametrize("char", ["\x00", "\x07", "\x1b", "\x7f"])
def test_control_characters_are_refused_everywhere(char: str) -> None:
    assert refusal([("name", f"a{char}"), ("zoneid", ZONE)])[0] == 431
    assert refusal([("name", "a"), ("zoneid", ZONE), (f"x{char}", "v")])[0] == 431


def test_line_breaks_are_text() -> None:
    assert disk_of([("name", "d"), ("zoneid", ZONE), ("x", "a\r\n\tb")]).name == "d"


def test_what_a_role_does_not_have_vanishes() -> None:
    assert disk("User", secrethint="x").secret_hint is None
    assert disk("Admin", secrethint="x").secret_hint == "x"


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("2025-10-30T13:51:39+0000", 1_761_832_299_000),
        ("2025-10-30T13:51:39Z", 1_761_832_299_000),
        ("2025-10-30T15:51:39+02:00", 1_761_832_299_000),
        ("2025-10-30T13:51:39.250+0000", 1_761_832_299_250),
        ("2025-10-30 13:51:39", 1_761_832_299_000),
    ],
)
def test_times(text: str, at_ms: int) -> None:
    assert moment(text) == at_ms


def test_an_end_date_is_the_end_of_its_day() -> None:
    assert moment("2025-10-30", end_of_day=True) - moment("2025-10-30") == 86_399_000


def test_a_list_is_parsed_once_however_it_is_signed() -> None:
    spec, asks = REGISTRY["listToyDisks"], Asks()

    def ask(role_type: str = "User", **sent: str) -> Any:
        return asks.of(spec, {"command": "listToyDisks", **sent}, role_type)

    first = ask(name="web", signature="one", apikey="k")
    assert first.name == "web"
    assert ask(name="web", signature="other", nosuch="x") is first
    assert ask(name="db").name == "db"
    assert ask("Admin", name="web") is not first
    tagged = {"tags[0].key": "a", "tags[0].value": "b"}
    assert ask(name="web", **tagged).tags == {"a": "b"}, "a map counts"
    assert ask(name="web", **(tagged | {"tags[0].value": "c"})).tags == {"a": "c"}
    assert ask(name="web") is first
    long = {"signature": "x" * LONGEST}
    assert ask(name="web", **long) == first and ask(name="web", **long) is not first
    with pytest.raises(ApiError):
        ask(zoneid="none")
    for number in range(KEPT):
        ask(name=str(number))
    assert ask(name="web") == first


def test_a_command_is_parsed_each_time() -> None:
    asks, query = Asks(), {"command": "createToyDisk", "name": "d", "zoneid": ZONE}
    made = [asks.of(SPEC, query, "User") for _ in range(2)]
    assert made[0] == made[1] and made[0] is not made[1]
