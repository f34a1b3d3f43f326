"""What is kept of answers is never told from what would be made now, whatever has changed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from api.dispatch import Gateway, Request
from api.memo import Memo
from api.reads import Common
from api.render import limited
from api.shelf import Shelf
from api.views.vm import VmMetricsView, VmView
from api.views.zone import ZoneView
from engine.chores.vitals import measure_guests
from projections.picked import Picked
from projections.table import TABLES
from projections.vitals import Sample
from projections.vm import Vm, vms
from projections.zone import zones
from tests.api.everybody import House, _signature, commands, filled, house
from tests.tenant.world import MEDIUM, SMALL, SMALL_DISK, TEMPLATE, ZONE, named

ASKING = ("root", "boss of ann", "ann", "bob")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


def signed(here: House, who: str, params: dict[str, str]) -> Request:
    full = dict(params) | {"response": "json", "apikey": here.keys[who][0]}
    full["signature"] = _signature(full, here.keys[who][1])
    return Request("POST", list(full.items()))


async def agree(here: House, after: str) -> int:
    """Every list, asked by everybody, says the same whether answers are kept or not."""
    gateway, clock, at_ms = here.gateway, here.gateway.now_ms, here.gateway.now_ms()
    # What tells what has been spent until now is asked at one moment, too.
    gateway.now_ms = lambda: at_ms
    anew = Gateway(gateway.engine, gateway.sessions, gateway.now_ms, gateway.random_id)
    compared = 0
    for spec in commands():
        if spec.shape != "list" or not spec.reads:
            continue
        for who in ASKING:
            params = {"command": spec.name, **filled(here, spec)}
            if "listall" in spec.by_wire:
                params["listall"] = "true"
            request = signed(here, who, params)
            kept, made = await gateway.answer(request), await anew.answer(request)
            if spec.name not in MEASURED and json.loads(kept.body) != json.loads(made.body):
                # A round that measures guests may be under way, which tells of them at its end,
                # or have come between the two. What is stale otherwise stays so.
                here.cloud.vitals.tell()
                kept, made = await gateway.answer(request), await anew.answer(request)
            assert kept.status == made.status, (after, spec.name, who)
            if spec.name not in MEASURED:
                assert json.loads(kept.body) == json.loads(made.body), (after, spec.name, who)
            compared += 1
    gateway.now_ms = clock
    return compared


# These say how the process is now: two answers differ whoever gives them.
MEASURED = ("listManagementServers", "listManagementServersMetrics")


@pytest.mark.parametrize("several", [2, 8])
async def test_nothing_stale_is_served(
    here: House, monkeypatch: pytest.MonkeyPatch, several: int
) -> None:
    """Whatever is found and shown is kept here, however little it is; most of it packed."""
    monkeypatch.setattr("api.shelf.SEVERAL", several)
    monkeypatch.setattr("api.lists.FEW", 0)
    monkeypatch.setattr("api.walks.AT_ONCE", 1)
    monkeypatch.setattr("api.pages.FEW_ROWS", 1)
    here.gateway.memo = memo = Memo(here.cloud, ready_bytes=20_000)
    vm, network = str(here.thing("vm")), str(here.thing("network"))
    disk = {"name": "d", "diskofferingid": SMALL_DISK, "zoneid": str(ZONE)}

    async def job(who: str, command: str, **params: str) -> Any:
        told = await here.make(who, command, **params)
        row = await here.controller.engine.runner.wait(UUID(told["jobid"]))
        assert not row.error_text, row.error_text
        return told

    assert await agree(here, "the beginning") > 100
    tag = {"resourceids": vm, "resourcetype": "UserVm"}
    changes: tuple[tuple[str, Any], ...] = (
        ("a tag", lambda: job("ann", "createTags", **tag, **_pair("k", "v"))),
        ("a start", lambda: job("ann", "startVirtualMachine", id=vm)),
        ("another name", lambda: here.make("ann", "updateVirtualMachine", id=vm, displayname="x")),
        ("a zone's name", lambda: here.make("root", "updateZone", id=str(ZONE), name="z9")),
        (
            "an account's name",
            lambda: here.make(
                "root", "updateAccount", id=str(named("account ann")), newname="anna"
            ),
        ),
        ("a network's", lambda: here.make("ann", "updateNetwork", id=network, name="n9")),
        ("a disk", lambda: job("ann", "createVolume", **disk)),
        ("a stop", lambda: job("ann", "stopVirtualMachine", id=vm, forced="true")),
        ("measurements", lambda: measure_guests(here.controller.engine, 10**15)),
        ("no tag", lambda: job("ann", "deleteTags", **tag)),
        (
            "another guest",
            lambda: job(
                "ann", "deployVirtualMachine", zoneid=str(ZONE), serviceofferingid=MEDIUM,
                templateid=TEMPLATE, networkids=network,
            ),
        ),
        ("an end", lambda: job("root", "destroyVirtualMachine", id=vm, expunge="true")),
    )  # fmt: skip
    for what, change in changes:
        await change()
        await agree(here, what)
        assert memo.packed_count > 10
    # What a user's guests are is kept as well: nothing but the rows decides it.
    kept = [question for kind, question in memo.found._kept if kind == "vm"]
    assert any(str(named("account ann")) in str(question) for question in kept), kept


def _pair(key: str, value: str) -> dict[str, str]:
    return {"tags[0].key": key, "tags[0].value": value}


async def test_what_is_kept_is_used_and_bounded(here: House) -> None:
    memo = here.gateway.memo
    assert isinstance(memo, Memo)
    zone = here.cloud[zones].picked()
    (first,) = memo.of(ZoneView, "Admin", zone)
    assert memo.of(ZoneView, "Admin", zone) == [first]
    assert memo.of(ZoneView, "Admin", zone)[0] is first
    await here.make("root", "updateZone", id=str(ZONE), name="other")
    (second,) = memo.of(ZoneView, "Admin", zone)
    assert second is not first and b"other" in bytes(second)

    small = Memo(here.cloud, kept_bytes=1)
    assert b"other" in bytes(small.of(ZoneView, "Admin", zone)[0])
    assert small.size_bytes == len(bytes(second))
    small.forget()
    assert small.size_bytes == 0


async def test_what_nobody_asked_for_lately_is_packed(here: House) -> None:
    """As small as it is alike, the same to the byte, and never stale."""
    guests = await guests_of_ann(here, 12)
    plain = [bytes(one) for one in Memo(here.cloud).of(VmView, "Admin", guests)]
    memo = Memo(here.cloud, ready_bytes=1)
    for _ in range(2):
        assert [bytes(one) for one in memo.of(VmView, "Admin", guests)] == plain
    assert memo.packed_count >= len(guests) - 1
    assert memo.size_bytes < sum(map(len, plain)) / 3
    guest = guests[3]
    await here.make("ann", "updateVirtualMachine", id=str(guest.id), displayname="other")
    shown = [bytes(one) for one in memo.of(VmView, "Admin", guests)]
    assert b"other" in shown[3] and shown[:3] == plain[:3] and shown[4:] == plain[4:]


async def test_what_much_rests_on_is_noted_once(
    here: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past a number, a thing that many answers show is no longer noted for each of them."""
    monkeypatch.setattr("api.memo.COMMON", 2)
    network = str(here.thing("network"))
    for name in ("a", "b", "c"):
        await here.make(
            "ann", "deployVirtualMachine", zoneid=str(ZONE), serviceofferingid=SMALL,
            templateid=TEMPLATE, startvm="false", name=name, networkids=network,
        )  # fmt: skip
    await agree(here, "many guests")
    await here.make("root", "updateZone", id=str(ZONE), name="z7")
    await agree(here, "a zone's name")


async def guests_of_ann(here: House, count: int) -> Picked[Vm]:
    """So many guests of hers, all on one network and stopped."""
    network = str(here.thing("network"))
    for number in range(count):
        told = await here.make(
            "ann", "deployVirtualMachine", zoneid=str(ZONE), serviceofferingid=SMALL,
            templateid=TEMPLATE, startvm="false", name=f"guest-{number}", networkids=network,
        )  # fmt: skip
        await here.controller.engine.runner.wait(UUID(told["jobid"]))
    return here.cloud[vms].picked()


async def test_of_a_row_that_several_show_only_what_they_show_of_it_counts(here: House) -> None:
    memo, guests = Memo(here.cloud), await guests_of_ann(here, 12)
    for _ in range(2):  # the first few are made again once they are several
        memo.of(VmView, "Admin", guests)
    shelf = memo._shelf(VmView, "Admin", guests)
    ready = dict(shelf.ready)
    assert len(ready) == len(guests)
    await here.make("root", "updateZone", id=str(ZONE), dns1="9.9.9.9")
    assert shelf.ready == ready
    await here.make("root", "updateZone", id=str(ZONE), name="other")
    assert not shelf.ready.keys() & {one.id.int for one in guests}
    assert all(b'"zonename":"other"' in one for one in memo.of(VmView, "Admin", guests))


def test_what_stands_for_a_row_hides_nothing_of_it() -> None:
    own = {name for name in vars(Common) if not name.startswith("__")}
    assert "numbers" in own
    for spec in TABLES.values():
        assert not own & set(dir(spec.row)), spec.kind


async def test_measurements_are_put_in_without_making_the_rest_again(
    here: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.pages.FEW_ROWS", 1)
    memo, guests = Memo(here.cloud), await guests_of_ann(here, 3)
    vitals, made = here.cloud.vitals, list[Any]()
    plain = VmView.of.__func__

    def of(cls: type[VmView], row: Vm, cloud: Any) -> VmView:
        made.append(row)
        return plain(cls, row, cloud)

    monkeypatch.setattr(VmView, "of", classmethod(of))

    def shown() -> list[Any]:
        page = memo.page(VmView, "Admin", guests)
        told = json.loads(b'{"a":{"list":[' + page)["a"]["list"]
        return [one.get("memorykbs") for one in told]

    assert [shown() for _ in range(3)][-1] == [None] * len(guests)
    once = len(made)
    vitals.note(guests[1].id, Sample(1, 1, 2048, 0, 0, 0, 0))
    vitals.tell()
    assert [shown() for _ in range(2)][-1] == [None, 2, *[None] * (len(guests) - 2)]
    vitals.note(guests[1].id, Sample(2, 2, 4096, 0, 0, 0, 0))
    vitals.note(guests[0].id, Sample(2, 2, 4096, 0, 0, 0, 0))
    vitals.tell()
    assert shown() == [4, 4, *[None] * (len(guests) - 2)]
    vitals.forget(guests[1].id)
    vitals.tell()
    assert shown() == [4, *[None] * (len(guests) - 1)]
    assert len(made) == once
    monkeypatch.undo()
    for view in (VmView, VmMetricsView):
        # They are put in for whatever role an answer is made.
        assert not {one.attr for one in view.LIMITED} & view.MEASURED(guests[0], here.cloud).keys()
        for guest, kept in zip(guests, memo.of(view, "Admin", guests), strict=True):
            anew = msgspec.json.encode(limited(view.of(guest, here.cloud), "Admin"))
            assert json.loads(kept) == json.loads(anew)


@pytest.mark.parametrize("count", [1, 2, 8, 9, 40, 41])
def test_a_shelf_knows_all_that_rest_on_a_thing_or_that_they_are_too_many(count: int) -> None:
    shelf, key = Shelf(VmView, "Admin"), (("host",), 7)
    for ident in (*range(1, count + 1), count):
        shelf.note(key, ident, 40)
    found = shelf.resting_on(key)
    assert found is None if count > 40 else sorted(found or ()) == list(range(1, count + 1))
    assert count > 40 or list(shelf.resting_on(key) or ()) == []
