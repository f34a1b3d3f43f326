"""Whatever is sent, the answer is one that was foreseen, and a refusal changes nothing."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.declare import REGISTRY
from api.dispatch import Request
from tests.api.fakes import make_engine, make_gateway, named

TOYS = sorted(name for name in REGISTRY if "Toy" in name and name != "breakToyDisk")
KNOWN = sorted(
    {param.wire for name in TOYS for param in REGISTRY[name].params}
    | {"dryrun", "idempotencykey", "customjobid", "response", "sessionkey"}
)
VALUES = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "-1",
            "0",
            "true",
            "NaN",
            "null",
            "1" * 400,
            "' OR 1=1 --",
            "<script>",
            "../../etc/passwd",
            "%00",
            "${jndi:x}",
            "9223372036854775808",
            "2025-10-30T13:51:39+0000",
            "0001-01-01",
            "9999-12-31T23:59:59-2359",
            str(uuid4()),
            str(named("zone")),
            str(named("zone-b")),
            str(named("disk bob")),
            str(named("/a")),
            f"{named('disk ann')},{named('disk bob')}",
        ]
    ),
    st.text(max_size=40),
)
NAMES = st.one_of(
    st.sampled_from(KNOWN),
    st.sampled_from(["nics[0].zoneid", "details[0].key", "tags[x].value", "a[", "]", "[0].x"]),
    st.text(max_size=12),
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(TOYS),
    st.dictionaries(NAMES, VALUES, max_size=6),
    st.sampled_from(["root", "boss", "ann", "bob"]),
    st.booleans(),
)
async def test_nothing_unforeseen(
    command: str, params: dict[str, str], as_who: str, as_json: bool
) -> None:
    engine = make_engine()
    gateway = make_gateway(engine)
    gateway.trusted_user = lambda: named(f"user {as_who}")
    pairs = [*params.items(), ("command", command)]
    pairs += [("response", "json")] if as_json else []
    answer = await gateway.answer(Request("GET", pairs, trusted=True))
    assert answer.status in (200, 430, 431, 531, 432), answer.body
    if answer.status != 200:
        assert engine.asked == []
    if as_json:
        assert len(json.loads(answer.body)) == 1


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=10), st.text(max_size=30)), max_size=5))
async def test_nobody_gets_in_by_chance(pairs: list[tuple[str, str]]) -> None:
    gateway = make_gateway(make_engine())
    asked = [*pairs, ("command", "listToyDisks"), ("apikey", "ann-key"), ("response", "json")]
    answer = await gateway.answer(Request("GET", asked, {"JSESSIONID": "x", "sessionkey": "x"}))
    assert answer.status in (401, 431)


@pytest.mark.parametrize("command", TOYS)
async def test_another_tenants_things_are_not_there(command: str) -> None:
    engine = make_engine()
    gateway = make_gateway(engine)
    gateway.trusted_user = lambda: named("user ann")
    good = {"name": "x", "zoneid": str(named("zone"))}
    others = [str(named(name)) for name in ("disk bob", "disk root", "zone-b", "/b", "host")]
    for param in REGISTRY[command].params:
        if not param.wire.endswith(("id", "ids")) or param.wire == "customid":
            continue
        for other in others:
            pairs = [*(good | {param.wire: other}).items(), ("command", command)]
            answer = await gateway.answer(Request("GET", pairs, trusted=True))
            assert answer.status in (431, 432), (command, param.wire, answer.body)
    assert engine.asked == []
