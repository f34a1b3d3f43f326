"""The clients that users really run, against the real application on a loopback port."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from cs import CloudStack, CloudStackApiException
from libcloud.common.types import InvalidCredsError
from libcloud.compute.drivers.cloudstack import CloudStackNodeDriver

from tests.api.conftest import Served
from tests.api.fakes import NOW_MS, add_disk, named

ZONE = str(named("zone"))


def client(served: Served, name: str = "ann", secret: str = "", **more: Any) -> CloudStack:
    return CloudStack(
        endpoint=f"{served.url}/client/api",
        key=f"{name}-key",
        secret=secret or f"{name}-Secret",
        poll_interval=0.02,
        **more,
    )


@pytest.fixture(autouse=True)
def in_the_present(served: Served) -> None:
    """cs signs with an expiry by the real clock, so the server must have the real time too."""
    import time

    served.clock.now_ms = int(time.time() * 1000)


@pytest.mark.parametrize("method", ["get", "post"])
async def test_cs_lists_creates_and_pages(served: Served, method: str) -> None:
    cs = client(served, method=method)
    made = await asyncio.to_thread(
        cs.createToyDisk, name="a b+c~d", zoneid=ZONE, details={"cpuNumber": "2"}
    )
    assert made["toydisk"]["name"] == "a b+c~d"
    for number in range(520):
        add_disk(served.engine, f"d{number}", named("account ann"), named("/a"))
    found = await asyncio.to_thread(cs.listToyDisks, fetch_list=True)
    assert len(found) == len({item["id"] for item in found}) == 522
    assert await asyncio.to_thread(cs.listToyDisks, fetch_list=True, name="none") == []


async def test_cs_waits_for_a_job(served: Served) -> None:
    cs = client(served)

    async def finish(state: str, **more: Any) -> None:
        runs = served.engine.cloud.table("saga")
        going: list[Any] = []
        for _ in range(1000):  # the client is a thread: there is nothing to wait for but this
            if going := [run for run in runs if run.state == "Running"]:
                break
            await asyncio.sleep(0.01)
        for run in going:
            run.state, run.finished_at_ms = state, NOW_MS
            for name, value in more.items():
                setattr(run, name, value)

    async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
        tasks.create_task(finish("Succeeded"))
        result = await asyncio.to_thread(cs.startToyDisk, zoneid=ZONE, fetch_result=True)
    assert result["toydisk"]["name"] == "job"
    with pytest.raises(CloudStackApiException) as caught:
        async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
            tasks.create_task(finish("Failed", error="Exhausted", error_text="no host fits"))
            failed = asyncio.to_thread(cs.startToyDisk, zoneid=ZONE, fetch_result=True)
            try:
                await failed
            except CloudStackApiException as error:
                raised = error
        raise raised
    assert caught.value.error["errorcode"] == 533
    assert caught.value.error["errortext"] == "no host fits"


async def test_cs_sees_errors(served: Served) -> None:
    with pytest.raises(CloudStackApiException) as caught:
        await asyncio.to_thread(client(served).listToyDisks, id=str(named("no")))
    assert caught.value.error["errorcode"] == 431
    with pytest.raises(CloudStackApiException) as caught:
        await asyncio.to_thread(client(served, secret="wrong").listToyDisks)
    assert caught.value.error["errorcode"] == 401
    expired = client(served)
    served.clock.now_ms += 3_600_000
    with pytest.raises(CloudStackApiException) as caught:
        await asyncio.to_thread(expired.listToyDisks)
    assert caught.value.error["errorcode"] == 401


def libcloud(served: Served, secret: str = "ann-Secret") -> Any:
    port = int(served.url.rpartition(":")[2])
    make: Any = CloudStackNodeDriver
    return make("ann-key", secret, secure=False, host="127.0.0.1", port=port, path="/client/api")


async def test_libcloud(served: Served) -> None:
    driver = libcloud(served)
    ask = driver.connection._sync_request
    made = await asyncio.to_thread(
        ask, "createToyDisk", params={"name": "a [b] ~c", "zoneId": ZONE}
    )
    assert made["toydisk"]["name"] == "a [b] ~c"
    found = await asyncio.to_thread(ask, "listToyDisks", params={"name": "a [b] ~c"})
    assert found["count"] == 1
    with pytest.raises(InvalidCredsError):
        await asyncio.to_thread(libcloud(served, "wrong").connection._sync_request, "listToyDisks")


async def test_listapis_tells_what_the_parser_takes(served: Served) -> None:
    listed = await asyncio.to_thread(client(served).listApis, fetch_list=True)
    apis = {api["name"]: api for api in listed}
    assert "breakToyDisk" not in apis and "listToyHosts" not in apis
    create = apis["createToyDisk"]
    assert create["description"] == "Create a disk." and create["isasync"] is False
    params = {param["name"]: param for param in create["params"]}
    assert params["name"] == {
        "name": "name",
        "description": "its name",
        "type": "string",
        "length": 255,
        "required": True,
    }
    types = {name: param["type"] for name, param in params.items()}
    assert types["nics"] == types["grouplist"] == types["details"] == "map"
    assert (types["likeids"], types["since"], types["factor"]) == ("list", "date", "float")
    assert {"dryrun", "idempotencykey"} <= set(params) and "secrethint" not in params
    zone = next(field for field in create["response"] if field["name"] == "zone")
    assert [inner["name"] for inner in zone["response"]] == ["jobid", "jobstatus", "id", "name"]
    one = await asyncio.to_thread(client(served, "root").listApis, name="breakToyDisk")
    assert one["count"] == 1
    can = await asyncio.to_thread(client(served).listCapabilities)
    assert can["capability"]["supportELB"] == "false"
