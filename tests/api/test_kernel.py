"""Small promises of the kernel: every refusal has codes, sessions stay bounded, XML is XML."""

from __future__ import annotations

import asyncio
import inspect
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import AsyncGenerator
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

import aggregates.errors
import api.sessions
import drivers.contract.errors
from api.app import SHUTDOWN_S, make_app, start
from api.errors import code_named, code_of
from api.render import to_xml
from api.sessions import Sessions
from tests.api.fakes import make_engine, make_gateway
from tests.api.signing import signed

REFUSALS = [
    cls
    for module in (aggregates.errors, drivers.contract.errors)
    for _, cls in inspect.getmembers(module, inspect.isclass)
    if issubclass(cls, Exception)
]


@pytest.mark.parametrize("cls", REFUSALS)
def test_every_refusal_of_the_domain_and_the_drivers_has_codes(cls: type[Exception]) -> None:
    code = code_of(cls("why"))
    assert code is not None and 430 <= code.status <= 537 and code.cs_code is not None
    assert code_named(cls.__name__) == code


def test_a_finer_error_is_what_its_base_is_and_a_bug_is_nothing() -> None:
    finer = type("FullForNow", (aggregates.errors.Exhausted,), {})
    assert code_of(finer("x")) == code_of(aggregates.errors.Exhausted("x"))
    assert code_of(KeyError("x")) is None and code_of(ValueError("x")) is None


def test_a_job_that_failed_has_the_codes_of_what_refused_it() -> None:
    failed: Any = type("JobFailed", (Exception,), {})("no room")
    failed.error = "Exhausted"
    assert code_of(failed) == code_named("Exhausted")
    failed.error = "Bug"
    assert code_of(failed) is None


def make_sessions() -> Sessions:
    counter = iter(range(1 << 30))
    return Sessions(lambda size: next(counter).to_bytes(size, "big"))


async def test_sessions_are_bounded_and_keep_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.sessions, "SESSIONS_MAX", 10)
    sessions, user = make_sessions(), uuid4()
    opened = [await sessions.open(user, now_ms) for now_ms in range(25)]
    assert len(sessions._live) <= 10
    token, key = opened[-1]
    session = await sessions.check(token, key, key, 25)
    assert session is not None and session.user_id == user
    assert await sessions.check(*opened[0], opened[0][1], 25) is None


async def test_no_secret_of_a_session_is_kept() -> None:
    sessions = make_sessions()
    token, key = await sessions.open(uuid4(), 0)
    kept = repr(sessions._live)
    assert token not in kept and key not in kept and token != key


def test_xml_of_nested_answers() -> None:
    answer = {
        "jobstatus": 1,
        "none": None,
        "flag": True,
        "jobresult": {"vm": {"nic": [{"ip": "a<b"}, {"ip": "c"}], "tags": []}},
        "details": {"1 odd key": "x"},
    }
    root = ElementTree.fromstring(to_xml("queryresponse", answer))
    assert [one.text for one in root.findall("jobresult/vm/nic/ip")] == ["a<b", "c"]
    assert root.findtext("flag") == "true" and root.find("none") is None
    assert root.findtext("details/_1_odd_key") == "x"


async def test_an_open_stream_does_not_hold_up_the_shutdown() -> None:
    async def feed(after: int, patience_s: float) -> AsyncGenerator[list[Any], None]:
        await asyncio.Event().wait()
        yield []

    gateway = make_gateway(make_engine())
    runner, port = await start(make_app(gateway, feed=feed), "127.0.0.1", 0)
    async with aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{port}/events?{signed('root', {})}"
        async with http.get(url) as answer:
            assert answer.status == 200
            begun = time.perf_counter()
            await runner.cleanup()
            assert time.perf_counter() - begun < SHUTDOWN_S
    assert gateway.closing
