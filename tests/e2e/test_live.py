"""What a running server tells: its stream of events, its past, its figures, and its plans."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from tests.e2e.place import Place, unique
from tests.e2e.stream import until

SAMPLE = re.compile(r'[a-z_]+(\{[a-z_]+="[^"\\]*"(,[a-z_]+="[^"\\]*")*\})? -?[0-9.e+-]+')


def get(place: Place, path: str) -> requests.Response:
    return requests.get(place.server.base + path, timeout=60)


async def test_events_resume_where_a_reader_stood(place: Place) -> None:
    vm = await asyncio.to_thread(place.deploy)
    first = await until(place.api, "vm.started", vm["id"])
    assert [one.position for one in first] == list(range(1, len(first) + 1))
    middle = len(first) // 2
    for start in ({"after": middle}, {"last_id": middle}, {"after": 0, "last_id": middle}):
        again = await until(place.api, "vm.started", vm["id"], **start)
        assert again == first[middle:], start
    # A reader that is up to date hears what happens while it listens.
    async with asyncio.TaskGroup() as group:
        hears = group.create_task(
            until(place.api, "vm.expunged", vm["id"], after=first[-1].position)
        )
        group.create_task(asyncio.to_thread(place.expunge, vm))
    assert hears.result()[0].position == first[-1].position + 1


async def test_a_tenant_hears_of_itself_alone(place: Place) -> None:
    tenant, other = place.tenant(), place.tenant()
    theirs = await asyncio.to_thread(place.deploy, other)
    mine = await asyncio.to_thread(place.deploy, tenant)
    heard = await until(tenant, "vm.started", mine["id"])
    about = {one.data["account"] for one in heard}
    assert len(about) == 1 and theirs["id"] not in {one.data["id"] for one in heard}
    assert {"vm.created", "saga.started"} <= {one.topic for one in heard}
    place.expunge(theirs, other)
    place.expunge(mine, tenant)


def moment(at_ms: int) -> str:
    when = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at_ms)
    return when.isoformat(timespec="milliseconds")


async def test_lists_show_the_past(place: Place) -> None:
    api, vm = place.api, await asyncio.to_thread(place.deploy)
    api("stopVirtualMachine", id=vm["id"])
    stopped = (await until(api, "vm.stopped", vm["id"]))[-1].data["atms"]
    place.expunge(vm)

    def states(asof: str | None) -> list[str]:
        found = api("listVirtualMachines", asof=asof).get("virtualmachine", [])
        return [one["state"] for one in found if one["id"] == vm["id"]]

    assert states(moment(stopped)) == ["Stopped"]
    assert states(moment(stopped - 1)) != ["Stopped"] and states(moment(stopped - 1))
    assert states(None) == []
    day = moment(stopped - 24 * 3600 * 1000)
    for command in ("listVirtualMachines", "listVolumes", "listZones", "listHosts", "listNetworks"):
        assert api(command, asof=day) == {}, f"{command} knew something before the cloud was"
    volumes = api("listVolumes", asof=moment(stopped))["volume"]
    assert vm["id"] in {one["virtualmachineid"] for one in volumes}


def position(place: Place) -> int:
    return int(get(place, "/healthz").json()["position"])


def test_a_dry_run_changes_nothing(place: Place) -> None:
    api, vm = place.api, place.deploy()
    before = position(place)
    dns = {"dns1": "192.0.2.53", "internaldns1": "192.0.2.53"}
    asked: list[tuple[str, dict[str, Any]]] = [
        ("deployVirtualMachine", {**place.shape, "name": unique("dry")}),
        ("stopVirtualMachine", {"id": vm["id"]}),
        ("destroyVirtualMachine", {"id": vm["id"], "expunge": True}),
        ("createZone", {"name": unique("z"), **dns, "networktype": "Advanced"}),
        ("createSSHKeyPair", {"name": unique("pair")}),
        ("updateZone", {"id": place.built.zone, "allocationstate": "Disabled"}),
    ]
    for command, params in asked:
        answer = api(command, **params, dryrun=True)
        assert answer["dryrun"] is True and answer["plan"], command
    api.refused(
        "stopVirtualMachine", 431, "entity does not exist", id=place.built.zone, dryrun=True
    )
    assert position(place) == before
    place.expunge(vm)


def test_who_writes_reads_it_back_at_once(place: Place) -> None:
    """The first list after the first answer already shows the guest, whatever its job does."""
    api = place.api
    for _ in range(20):
        began = api.accepted("deployVirtualMachine", **place.shape, name=unique("vm"))
        assert api.one("listVirtualMachines", "virtualmachine", id=began["id"])["state"] in (
            "Starting",
            "Running",
        )
        api.ended(began["jobid"])
        api("destroyVirtualMachine", id=began["id"], expunge=True)
        listed = api("listVirtualMachines", listall=True).get("virtualmachine", [])
        assert began["id"] not in {one["id"] for one in listed}


def test_an_idempotency_key_does_a_thing_once(place: Place) -> None:
    api, name = place.api, unique("once")
    asked = place.shape | {"name": name, "idempotencykey": name}
    first, second = (api.accepted("deployVirtualMachine", **asked) for _ in range(2))
    assert first == second
    api.ended(first["jobid"])
    assert api("listVirtualMachines", name=name)["count"] == 1
    place.expunge(first)


def test_metrics_are_in_prometheus_text_format(place: Place) -> None:
    answer = get(place, "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    samples = [line for line in lines if not line.startswith("#")]
    assert all(SAMPLE.fullmatch(line) for line in samples), samples
    typed = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    # A histogram's samples have names of their own.
    named = {re.split(r"[ {]", line)[0] for line in samples}
    assert {one for one in named if one not in typed} <= {
        f"{one}_{part}" for one in typed for part in ("bucket", "count", "sum")
    }
    values = dict(line.rsplit(" ", 1) for line in samples)
    assert float(values["sagastack_log_position"]) == position(place)
    assert float(values['sagastack_hosts{state="Up"}']) == 4


def test_the_server_is_well(place: Place) -> None:
    answer = get(place, "/healthz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_openapi_is_whole(place: Place) -> None:
    """OpenAPI 3.1's fixed fields, and every reference leads somewhere."""
    document = get(place, "/openapi.json").json()
    assert document["openapi"].startswith("3.") and document["info"]["title"]
    operations = [one for path in document["paths"].values() for one in path.values()]
    ids = [one["operationId"] for one in operations]
    assert len(ids) == len(set(ids)) and "deployVirtualMachine" in " ".join(ids)
    assert all(one["responses"] for one in operations)

    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            return own + [ref for one in part.values() for ref in references(one)]
        return [ref for one in part for ref in references(one)] if isinstance(part, list) else []

    for reference in set(references(document)):
        found: Any = document
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]
