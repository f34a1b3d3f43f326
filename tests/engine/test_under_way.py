"""Whoever is refused beside a promise is refused for good only once that is kept or broken."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest

from aggregates.errors import Exhausted, NotFound
from engine.draft import Draft
from engine.intents.public_ip_address import AllocateAddress, ReleaseAddress
from engine.log import Log, LogUnavailable
from engine.under_way import ROUNDS_MAX, Rounds, UnderWay
from projections.public_ip_address import public_ip_addresses
from tests.engine.looking import Cloud
from tests.sagas.seed import ACCOUNT, DOMAIN, ZONE


def _draft() -> Draft:
    nothing: Any = type("Nothing", (), {"position": 0})()
    draft = Draft(nothing)
    draft.on_abort(lambda: None)
    return draft


async def test_who_waits_waits_for_what_was_promised_then_and_for_no_more() -> None:
    under_way, first, second, third = UnderWay(), _draft(), _draft(), _draft()
    assert not under_way
    under_way.begin(first)
    under_way.begin(second)
    waiting = asyncio.create_task(under_way.settled(patient=False))
    await asyncio.sleep(0)
    under_way.begin(third)
    under_way.end(first)
    await asyncio.sleep(0)
    assert not waiting.done()
    under_way.end(second)
    await waiting
    assert under_way, "the third came later"


async def test_who_cannot_wait_for_the_log_does_not_wait_for_promises_either() -> None:
    under_way, stuck = UnderWay(), _draft()
    under_way.begin(stuck)
    caller = asyncio.create_task(under_way.settled(patient=False))
    job = asyncio.create_task(under_way.settled(patient=True))
    await asyncio.sleep(0)
    under_way.stalled(LogUnavailable("the disk is full"))
    with pytest.raises(LogUnavailable, match="the disk is full"):
        await caller
    assert not job.done()
    under_way.end(stuck)
    await job


async def test_a_refusal_of_another_kind_is_final_and_so_is_one_after_many_rounds() -> None:
    under_way = UnderWay()
    rounds = Rounds(under_way, patient=False)
    assert not rounds.worth(Exhausted()), "nothing is promised"
    under_way.begin(_draft())
    assert not rounds.worth(NotFound())
    for _ in range(ROUNDS_MAX):
        draft = _draft()
        under_way.begin(draft)
        assert rounds.worth(Exhausted())
        asyncio.get_running_loop().call_soon(under_way.end, draft)
        with patch.object(under_way, "_drafts", {draft}):
            await rounds.next()
    assert not rounds.worth(Exhausted())


async def test_the_last_address_is_free_for_who_asks_while_its_taker_is_refused_by_the_log(
    here: Cloud,
) -> None:
    """It was free all the time: nobody may be told that there was none."""
    engine, by = here.r.engine, here.r.by
    while True:
        try:
            await engine.decide(taking(), by)
        except Exhausted:
            break
    freed = next(iter(here.cloud[public_ip_addresses]))
    await engine.decide(ReleaseAddress(id=freed.id), by)
    fate: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    with patch.object(Log, "submit", lambda log, unit: fate):
        first = asyncio.create_task(engine.decide(taking(), by))
        await asyncio.sleep(0.01)
    second_ask = taking()
    second = asyncio.create_task(engine.decide(second_ask, by))
    await asyncio.sleep(0.01)
    assert not second.done()
    fate.set_exception(LogUnavailable("the disk is full"))
    with pytest.raises(LogUnavailable):
        await first
    await second
    assert here.cloud[public_ip_addresses][second_ask.id].address == freed.address
    with pytest.raises(Exhausted):
        await engine.decide(taking(), by)


def taking() -> AllocateAddress:
    return AllocateAddress(id=uuid4(), zone_id=ZONE, account_id=ACCOUNT, domain_id=DOMAIN)
