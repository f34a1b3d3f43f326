"""The wire as its users meet it: envelopes, headers, errors, sessions, both ports."""

from __future__ import annotations

import asyncio
import logging
import re
import xml.etree.ElementTree as ElementTree
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import aiohttp
import pytest
from yarl import URL

from api.dispatch import Answer, Gateway, Request
from api.ready import COPIED_BYTES
from api.render import JSON_TYPE
from api.sessions import IDLE_MS
from tests.api.conftest import Served
from tests.api.fakes import MakeDisk, named
from tests.api.signing import signed

ZONE = str(named("zone"))
HIDDEN_401 = "unable to verify user credentials and/or request signature"


async def raw(served: Served, query: str, **more: str) -> tuple[int, str, aiohttp.ClientResponse]:
    async with served.http.get(f"{served.url}/client/api?{query}", headers=more) as answer:
        return answer.status, await answer.text(), answer


async def test_json_and_its_headers(served: Served) -> None:
    query = signed("root", {"command": "listToyZones", "response": "json", "name": "z1"})
    status, body, answer = await raw(served, query)
    assert status == 200
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert body == (
        '{"listtoyzonesresponse":{"count":1,"toyZone":[{"id":"'
        + ZONE
        + '","name":"z1","capacity":7}]}}'
    )


async def test_xml_is_the_default(served: Served) -> None:
    served.engine.cloud.table("toy_zone")[named("zone")].name = "<z&1>"
    status, body, answer = await raw(served, signed("ann", {"command": "listToyDisks"}))
    assert answer.headers["Content-Type"] == "text/xml; charset=UTF-8"
    assert body.startswith(
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<listtoydisksresponse cloud-stack-version="4.22.0.0"><count>1</count><toydisk>'
    )
    root = ElementTree.fromstring(body)
    assert root.findtext("toydisk/zone/name") == "<z&1>"
    assert root.findtext("toydisk/ispublic") == "false"
    _, refused, _ = await raw(served, "command=listToyDisks")
    assert ElementTree.fromstring(refused).findtext("errorcode") == "401"
    assert status == 200


async def test_a_field_for_administrators_is_not_shown_to_others(served: Served) -> None:
    _, body = await served.get("ann", "listToyZones")
    assert "capacity" not in body["toyZone"][0]
    _, disks = await served.get("ann", "listToyDisks")
    assert "capacity" not in disks["toydisk"][0]["zone"][0]
    assert disks["toydisk"][0]["tags"] == []


async def test_an_object_a_job_and_a_refusal(served: Served) -> None:
    status, body = await served.get("ann", "createToyDisk", name="web", zoneid=ZONE)
    assert (status, body["toydisk"]["name"]) == (200, "web")
    intent, by = served.engine.asked[-1]
    assert isinstance(intent, MakeDisk) and by.action == "TOY.CREATE"
    assert (by.account_id, by.user_id) == (named("account ann"), named("user ann"))
    _, accepted = await served.get("ann", "startToyDisk", zoneid=ZONE)
    assert set(accepted) == {"id", "jobid"}
    _, refused = await served.get("ann", "deleteToyDisk", id=str(named("disk ann")))
    assert refused == {
        "uuidList": [],
        "errorcode": 431,
        "cserrorcode": 4350,
        "errortext": f"disk {named('disk ann')} is Attached: detach it first",
    }


async def test_an_irregular_envelope_also_for_errors(served: Served) -> None:
    query = signed("ann", {"command": "deleteToyDisk", "response": "json"})
    _, body, answer = await raw(served, query)
    assert body.startswith('{"removetoydiskresponse":{"uuidList":[],"errorcode":431,')
    assert answer.headers["X-Description"] == (
        "Unable to execute API command deletetoydisk due to missing parameter id"
    )


@pytest.mark.parametrize("command", ["listNothing", "", "listtoydisks", "breakToyDisk"])
async def test_a_command_that_is_not_there_for_you(served: Served, command: str) -> None:
    query = signed("ann", {"command": command, "response": "json"})
    status, body, _ = await raw(served, query)
    assert status == 432 and body.startswith('{"errorresponse":{')
    text = f"The API [{command}] does not exist or is not available for the account ann"
    assert text in body and '"cserrorcode":9999' in body


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        ("listtoydisks", ": it is spelled listToyDisks"),
        ("", ": say command=..., one of listApis"),
        ("listNothing", ""),
        ("breaktoydisk", ""),
        ("breakToyDisk", ""),
    ],
)
async def test_how_a_command_is_spelled_is_told_to_who_may_call_it(
    served: Served, command: str, hint: str
) -> None:
    """Of any other a role is told no more than that it has none."""
    query = signed("ann", {"command": command, "response": "json"})
    _, body, _ = await raw(served, query)
    assert body.endswith(f'for the account ann{hint}"}}}}'), body


@pytest.mark.parametrize(
    "query",
    [
        "",
        "command=listToyDisks",
        "command=listNothing",
        "command=listToyDisks&apikey=nobody&signature=x",
        "command=listToyDisks&apikey=ann-key&signature=x",
        "command=listToyDisks&apikey=ann-key",
        "command=listToyDisks&signature=x",
        "command=listToyDisks&sessionkey=x",
        signed("ann", {"command": "listToyDisks"}).replace("ToyDisks", "ToyZones"),
        signed("ann", {"command": "listToyDisks"}) + "&listall=true",
    ],
)
async def test_who_are_you(served: Served, query: str) -> None:
    status, body, _ = await raw(served, query + "&response=json")
    assert status == 401
    assert "unable to verify user credentials" in body and "cserrorcode" not in body


async def test_every_401_of_a_signature_reads_the_same(served: Served) -> None:
    served.engine.cloud.table("user")[named("user abe")].state = "disabled"
    served.engine.cloud.table("api_key")[named("k sue")].expires_at_ms = 1
    del served.engine.secrets["bob"]
    for name in ("abe", "sue", "bob"):
        status, body = await served.get(name, "listToyDisks")
        assert (status, body["errortext"]) == (401, HIDDEN_401)


async def test_a_key_with_fewer_rights(served: Served) -> None:
    served.engine.cloud.table("api_key")[named("k root")].rules = [("list*", True)]
    assert (await served.get("root", "listToyDisks"))[0] == 200
    assert (await served.get("root", "createToyDisk", name="x", zoneid=ZONE))[0] == 432


async def test_a_bug_shows_an_incident_and_nothing_else(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    status, body = await served.get("root", "breakToyDisk")
    assert (status, body["errorcode"], body["cserrorcode"]) == (530, 530, 4250)
    incident = re.search(r"[0-9a-f-]{36}", body["errortext"])
    assert incident is not None and "innards" not in str(body)
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert incident[0] in record.getMessage() and record.exc_info is not None


async def test_get_and_post_body_and_query_are_one(served: Served) -> None:
    query = signed("ann", {"command": "listToyDisks", "response": "json"})
    for path in ("/client/api", "/client/api/"):
        async with served.http.post(
            f"{served.url}{path}",
            data=query,
            headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
        ) as answer:
            assert answer.status == 200
    head, _, tail = query.partition("&")
    async with served.http.post(
        f"{served.url}/client/api?{head}",
        data=tail,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    ) as answer:
        assert answer.status == 200
    alias = signed("ann", {"command": "listToyDisks", "response": "json"})
    without = "&".join(part for part in alias.split("&") if not part.startswith("command="))
    async with served.http.get(f"{served.url}/client/api/listToyDisks?{without}") as answer:
        assert answer.status == 200


async def test_what_is_not_utf_8_or_too_much_is_a_clear_no(served: Served) -> None:
    status, body, _ = await raw(served, "command=%ff%fe&response=json")
    assert status == 431 and "UTF-8" in body
    status, body, _ = await raw(served, "&".join(f"a{n}=1" for n in range(5001)))
    assert status == 430


async def test_a_body_has_a_limit(served: Served) -> None:
    form = {"command": "listToyDisks", "response": "json", "x": "x" * (4 * 1024 * 1024)}
    async with served.http.post(f"{served.url}/client/api", data=form) as answer:
        assert answer.status == 431 and "larger than" in await answer.text()


async def test_dryrun_changes_nothing(served: Served) -> None:
    status, body = await served.get("ann", "createToyDisk", name="x", zoneid=ZONE, dryrun="true")
    assert status == 200
    assert body == {"dryrun": True, "success": True, "plan": ["MakeDisk would be done"]}
    assert served.engine.asked == []
    disk = str(named("disk ann"))
    assert (await served.get("ann", "deleteToyDisk", id=disk, dryrun="true"))[0] == 431


async def test_an_idempotency_key_does_a_thing_once(served: Served) -> None:
    ask = {"name": "x", "zoneid": ZONE, "idempotencykey": "K"}
    first, second = await asyncio.gather(
        served.get("ann", "createToyDisk", **ask), served.get("ann", "createToyDisk", **ask)
    )
    assert first == second and len(served.engine.asked) == 1
    status, body = await served.get("ann", "createToyDisk", **(ask | {"name": "y"}))
    assert status == 431 and "idempotency key" in body["errortext"]
    wrong = {"zoneid": ZONE, "idempotencykey": "mended"}
    assert (await served.get("ann", "createToyDisk", **wrong))[0] == 431
    assert (await served.get("ann", "createToyDisk", name="y", **wrong))[0] == 200
    _, other = await served.get("abe", "createToyDisk", **ask)
    assert other["toydisk"]["id"] != first[1]["toydisk"]["id"]


async def test_ids_under_a_key_outlive_the_memory_of_answers(served: Served) -> None:
    ask = {"name": "x", "zoneid": ZONE, "idempotencykey": "K"}
    _, first = await served.get("ann", "createToyDisk", **ask)
    served.gateway.repeats._known.clear()
    _, again = await served.get("ann", "createToyDisk", **ask)
    assert first["toydisk"]["id"] == again["toydisk"]["id"]


async def test_the_callers_own_job_id(served: Served) -> None:
    job = str(UUID(int=7))
    _, body = await served.get("ann", "startToyDisk", zoneid=ZONE, customjobid=job)
    assert body["jobid"] == job
    status, body = await served.get("bob", "startToyDisk", zoneid=ZONE, customjobid=job)
    assert status == 431 and "is taken" in body["errortext"]


async def login(served: Served, **more: str) -> tuple[int, dict[str, Any]]:
    form = {"command": "login", "response": "json", "username": "ann", "password": "ann password"}
    form |= {"domain": "/a/"} | more
    async with served.http.post(f"{served.url}/client/api", data=form) as answer:
        return answer.status, (await answer.json())["loginresponse"]


async def session_get(served: Served, key: str, command: str = "listToyDisks") -> int:
    query = urlencode({"command": command, "response": "json", "sessionkey": key})
    return (await raw(served, query))[0]


async def test_a_session_from_login_to_logout(served: Served) -> None:
    status, body = await login(served)
    assert status == 200 and body["type"] == "0" and body["timeout"] == 1800
    assert body["is2faenabled"] == "false" and body["account"] == "ann"
    key = body["sessionkey"]
    assert len(key) >= 43
    assert await session_get(served, key) == 200
    async with served.http.get(f"{served.url}/client/events?sessionkey={key}") as answer:
        assert answer.status == 200
    served.clock.now_ms += IDLE_MS - 1
    assert await session_get(served, key) == 200
    kept = {one.key: one.value for one in served.http.cookie_jar}
    assert await session_get(served, key, "logout") == 200
    served.http.cookie_jar.update_cookies(kept)
    assert await session_get(served, key) == 401
    assert await session_get(served, key, "logout") == 431


async def test_an_idle_session_ends(served: Served) -> None:
    _, body = await login(served)
    served.clock.now_ms += IDLE_MS
    assert await session_get(served, body["sessionkey"]) == 401


async def test_the_cookies_alone_are_not_enough(served: Served) -> None:
    _, body = await login(served)
    assert (await raw(served, "command=listToyDisks&response=json"))[0] == 401
    assert await session_get(served, body["sessionkey"]) == 401  # a wrong key ends it


async def test_a_disabled_user_loses_the_session(served: Served) -> None:
    _, body = await login(served)
    served.engine.cloud.table("user")[named("user ann")].state = "disabled"
    assert await session_get(served, body["sessionkey"]) == 401
    assert (await login(served))[0] == 531


@pytest.mark.parametrize(
    "more",
    [
        {"password": "x"},
        {"username": "nobody"},
        {"domain": "/b"},
        {"domain": ""},
        {"domainId": "x"},
        {"domainid": str(named("/b"))},
    ],
)
async def test_a_wrong_login_says_only_that(served: Served, more: dict[str, str]) -> None:
    status, body = await login(served, **more)
    assert status == 531
    assert body["errortext"] == (
        "Failed to authenticate: the username, domain or password is wrong"
    )


async def test_login_is_a_post(served: Served) -> None:
    query = "command=login&username=ann&password=x&response=json"
    status, body, _ = await raw(served, query)
    assert status == 405 and body.startswith('{"loginresponse":')


async def test_login_by_domain_id(served: Served) -> None:
    assert (await login(served, domain="/b", domainId=str(named("/a"))))[0] == 200


async def test_the_integration_port(served: Served) -> None:
    url = f"{served.local_url}/?command=listToyHosts&response=json"
    async with served.http.get(url) as answer:
        assert (await answer.json())["listtoyhostsresponse"]["count"] == 1
    for header in ({"Origin": "http://evil.test"}, {"Host": "evil.test"}):
        async with served.http.get(url, headers=header) as answer:
            assert answer.status == 403


async def test_shutting_down(served: Served) -> None:
    async with served.http.get(f"{served.url}/healthz") as answer:
        assert (answer.status, (await answer.json())["status"]) == (200, "ok")
    served.gateway.closing = True
    assert (await served.get("ann", "listToyDisks"))[0] == 503
    async with served.http.get(f"{served.url}/healthz") as answer:
        assert answer.status == 503


async def test_metrics_and_the_log_line(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sagastack.access")
    async with served.http.get(f"{served.url}/metrics") as answer:
        assert await answer.text() == "up 1\n"
    await served.get("ann", "createToyDisk", name="a-secret-name", zoneid=ZONE)
    lines = [record.getMessage() for record in caplog.records]
    assert any(re.search(r"GET createToyDisk 200 \d+\.\d ms", line) for line in lines)
    assert not any("secret" in line or "signature" in line for line in lines)


async def test_a_long_body_in_parts_arrives_whole(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two requests over one connection: the second shows that the first ended where it said."""
    parts = (b"[" + b"1," * COPIED_BYTES, b"2]")

    async def answer(self: Gateway, request: Request) -> Answer:
        return Answer(200, parts, JSON_TYPE)

    monkeypatch.setattr(Gateway, "answer", answer)
    for _ in range(2):
        async with served.http.get(f"{served.url}/client/api") as told:
            assert await told.read() == b"".join(parts)
            assert told.headers["Content-Type"] == JSON_TYPE
            assert told.headers["Content-Length"] == str(sum(map(len, parts)))


@pytest.mark.parametrize("size", [5, 3 * COPIED_BYTES])
async def test_a_head_that_is_filled_in_is_the_one_that_aiohttp_makes(
    served: Served, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Who wants the connection closed is answered by aiohttp's own way, with one line more."""

    async def answer(self: Gateway, request: Request) -> Answer:
        return Answer(200, (b"[", b"1" * size, b"]"), JSON_TYPE)

    monkeypatch.setattr(Gateway, "answer", answer)
    told = {}
    for connection in ("keep-alive", "close"):
        port = int(served.url.rpartition(":")[2])
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = f"GET /client/api HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\n\r\n"
            writer.write(head.encode())
            got = await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(size + 2) == b"[" + b"1" * size + b"]"
            writer.close()
        told[connection] = re.sub(rb"Date: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", b"Date: ", got)
    assert told["close"] == told["keep-alive"][:-2] + b"Connection: close\r\n\r\n"


async def test_the_router_and_the_straight_way_answer_alike(served: Served) -> None:
    """`/client/api?` is answered without asking the router; other spellings are routed."""
    query = signed("root", {"command": "listToyZones", "response": "json"})
    told = []
    for path in ("/client/api", "/client/%61pi", "/client/api/", "/client/api/listToyZones"):
        url = URL(f"{served.url}{path}?{query}", encoded=True)
        async with served.http.get(url) as answer:
            told.append((answer.status, await answer.read(), sorted(answer.headers)))
    assert told[0][0] == 200 and all(one == told[0] for one in told)
    async with served.http.put(f"{served.url}/client/api?{query}") as answer:
        assert answer.status == 405
    async with served.http.get(f"{served.url}/client/apiary?{query}") as answer:
        assert answer.status == 404


async def test_a_body_that_waits_to_be_asked_for_is_asked_for(served: Served) -> None:
    body = signed("root", {"command": "listToyZones", "response": "json"})
    url = f"{served.url}/client/api?response=json"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    async with served.http.post(url, data=body, headers=form, expect100=True) as answer:
        assert answer.status == 200
