"""What a list reaches, finds and pages, by the wire's rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from projections.picked import Picked
from projections.table import Table
from tests.api.conftest import Served
from tests.api.fakes import ToyDisk, add_disk, make_engine, named


async def names(served: Served, as_who: str, **params: str) -> set[str]:
    status, body = await served.get(as_who, "listToyDisks", **params)
    assert status == 200, body
    found = {item["name"].removeprefix("disk ") for item in body.get("toydisk", [])}
    assert body.get("count", 0) == len(found)
    return found


EVERYBODY = {"root", "boss", "ann", "abe", "sue", "bob"}
A, SUB, B = str(named("/a")), str(named("/a/sub")), str(named("/b"))
TEAM = str(named("team"))

SCOPE: list[tuple[str, dict[str, str], set[str]]] = [
    ("ann", {}, {"ann"}),
    ("ann", {"listall": "true"}, {"ann"}),
    ("ann", {"domainid": A, "listall": "true", "isrecursive": "true"}, {"ann"}),
    ("ann", {"account": "ann"}, {"ann"}),
    ("ann", {"id": str(named("disk ann"))}, {"ann"}),
    ("ann", {"id": str(named("disk team"))}, {"team"}),
    ("ann", {"projectid": TEAM}, {"team"}),
    ("ann", {"projectid": "-1"}, {"team"}),
    ("ann", {"projectid": "-1", "listall": "true"}, {"team", "ann"}),
    ("bob", {"projectid": "-1"}, set()),
    ("boss", {}, {"boss"}),
    ("boss", {"listall": "true"}, {"boss", "ann", "abe", "sue"}),
    ("boss", {"domainid": A}, {"boss", "ann", "abe"}),
    ("boss", {"domainid": A, "isrecursive": "true"}, {"boss", "ann", "abe", "sue"}),
    ("boss", {"domainid": SUB}, {"sue"}),
    ("boss", {"account": "abe", "domainid": A}, {"abe"}),
    ("boss", {"account": "abe"}, {"abe"}),
    ("boss", {"id": str(named("disk sue"))}, {"sue"}),
    ("boss", {"projectid": TEAM}, {"team"}),
    ("root", {}, {"root"}),
    ("root", {"listall": "true"}, EVERYBODY),
    ("root", {"listall": "true", "projectid": "-1"}, EVERYBODY | {"team"}),
    ("root", {"domainid": B}, {"bob"}),
    ("root", {"account": "bob", "domainid": B}, {"bob"}),
    ("root", {"id": str(named("disk bob"))}, {"bob"}),
    ("root", {"id": str(named("disk team"))}, {"team"}),
    ("root", {"ids": f"{named('disk bob')},{named('disk sue')}"}, {"bob", "sue"}),
]


@pytest.mark.parametrize(("as_who", "params", "expected"), SCOPE)
async def test_scope(
    served: Served, as_who: str, params: dict[str, str], expected: set[str]
) -> None:
    assert await names(served, as_who, **params) == expected


DISK = str(named("disk ann"))
REFUSED: list[tuple[str, dict[str, str], int, str]] = [
    ("ann", {"account": "abe"}, 531, "may not act for account abe"),
    ("ann", {"account": "nobody"}, 531, "may not act for"),
    ("boss", {"account": "nobody"}, 431, "Unable to find account nobody"),
    ("boss", {"account": "bob", "domainid": B}, 431, "entity does not exist"),
    ("boss", {"domainid": B}, 431, "entity does not exist"),
    ("ann", {"id": str(named("disk bob"))}, 431, "Invalid parameter id value="),
    ("ann", {"id": str(named("nothing"))}, 431, "Invalid parameter id value="),
    ("bob", {"projectid": TEAM}, 431, "Invalid parameter projectid value="),
    ("root", {"projectid": TEAM, "account": "ann"}, 431, "cannot be given together"),
    ("ann", {"id": DISK, "ids": DISK}, 431, "id and ids exclude each other"),
    ("root", {"page": "1"}, 431, "page and pagesize"),
    ("root", {"pagesize": "5"}, 431, "page and pagesize"),
    ("root", {"page": "1", "pagesize": "501"}, 431, "from 1 to 500"),
    ("root", {"page": "1", "pagesize": "0"}, 431, "from 1 to 500"),
    ("root", {"page": "0", "pagesize": "1"}, 431, "at least 1"),
]


@pytest.mark.parametrize(("as_who", "params", "status", "words"), REFUSED)
async def test_refused(
    served: Served, as_who: str, params: dict[str, str], status: int, words: str
) -> None:
    got, body = await served.get(as_who, "listToyDisks", **params)
    assert (got, body["errorcode"]) == (status, status)
    assert words in body["errortext"]


async def test_filters(served: Served) -> None:
    ann, a = named("account ann"), named("/a")
    add_disk(served.engine, "Web", ann, a, state="Error", size_gib=9, tags={"env": "prod"})
    add_disk(served.engine, "webby", ann, a, size_gib=5, tags={"env": "test"})
    assert await names(served, "ann", name="WEB") == {"Web"}
    assert await names(served, "ann", keyword="WEB") == {"Web", "webby"}
    assert await names(served, "ann", state="error") == {"Web"}
    assert await names(served, "ann", atleast="5") == {"Web", "webby"}
    assert await names(served, "ann", zoneid=str(named("zone"))) == {"Web", "webby", "ann"}
    tags = {"tags[0].key": "env", "tags[0].value": "prod"}
    assert await names(served, "ann", **tags) == {"Web"}
    either = tags | {"tags[1].key": "x", "tags[1].value": "y"}
    assert await names(served, "ann", **either) == {"Web"}
    assert await names(served, "ann", details="true", colour="red") == {"Web", "webby", "ann"}


async def test_paging(served: Served) -> None:
    for number in range(7):
        add_disk(served.engine, f"p{number}", named("account bob"), named("/b"))
    seen: list[str] = []
    for page in (1, 2, 3):
        _, body = await served.get("bob", "listToyDisks", page=str(page), pagesize="3")
        assert body["count"] == 8
        seen += [item["name"] for item in body["toydisk"]]
    assert len(seen) == len(set(seen)) == 8
    _, past = await served.get("bob", "listToyDisks", page="4", pagesize="3")
    assert past == {"count": 8}
    _, empty = await served.get("bob", "listToyDisks", name="none such")
    assert empty == {}
    _, whole = await served.get("bob", "listToyDisks", pagesize="-1")
    assert len(whole["toydisk"]) == 8


async def test_500_rows_come_back_and_all_are_counted(served: Served) -> None:
    for number in range(600):
        add_disk(served.engine, f"q{number}", named("account bob"), named("/b"))
    _, body = await served.get("bob", "listToyDisks")
    assert (body["count"], len(body["toydisk"])) == (601, 500)


async def test_a_catalogue_hides_what_is_kept_for_other_domains(served: Served) -> None:
    _, for_ann = await served.get("ann", "listToyZones", listall="true")
    _, for_bob = await served.get("bob", "listToyZones")
    assert [item["name"] for item in for_ann["toyZone"]] == ["z1"]
    assert {item["name"] for item in for_bob["toyZone"]} == {"z1", "Only B"}


async def test_the_past_is_answered_from_the_past(served: Served) -> None:
    past: Any = make_engine().cloud
    past.table("toy_disk")[named("disk ann")].name = "as it was"
    served.engine.past = past
    assert await names(served, "ann", asof="2025-01-01") == {"as it was"}


async def test_a_path_that_was_another_domains_opens_nothing_of_its_past(served: Served) -> None:
    """Domain /a was /old, and /a another domain's: its administrator does not inherit that."""
    past: Any = make_engine().cloud
    past.table("domain")[named("/a")].path = "/old"
    past.table("domain")[named("/b")].path = "/a"
    served.engine.past = past
    seen = await names(served, "boss", asof="2025-01-01", listall="true")
    assert seen == {"ann", "abe", "boss"}


class NeverScanned(Table[ToyDisk]):
    """A table whose rows are only found by an index."""

    def __iter__(self) -> Iterator[ToyDisk]:
        raise AssertionError("scanned the table")

    def picked(self) -> Picked[ToyDisk]:
        raise AssertionError("scanned the table")


async def test_an_index_is_used(served: Served) -> None:
    """A tenant's list must not cost more when others have more."""
    served.engine.cloud.table("toy_disk").__class__ = NeverScanned
    assert await names(served, "ann") == {"ann"}
    assert await names(served, "ann", state="Ready") == {"ann"}
    assert await names(served, "boss", domainid=SUB) == {"sue"}
    assert await names(served, "root", listall="true", name="DISK SUE") == {"sue"}
    assert (await served.get("root", "listToyDisks", listall="true"))[0] == 530
