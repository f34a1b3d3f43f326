"""The OpenAPI document and the server agree."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.api.conftest import Served
from tests.api.fakes import named
from tests.api.signing import signed


async def fetch(served: Served) -> dict[str, Any]:
    async with served.http.get(f"{served.url}/openapi.json") as answer:
        assert answer.content_type == "application/json"
        found: dict[str, Any] = await answer.json()
        return found


async def test_every_reference_leads_somewhere(served: Served) -> None:
    document = await fetch(served)
    text = json.dumps(document)
    for path in set(re.findall(r'"\$ref": "#/([^"]+)"', text)):
        found = document
        for part in path.split("/"):
            found = found[part]
    assert document["openapi"] == "3.1.0"


async def test_what_the_document_says_is_what_the_server_does(served: Served) -> None:
    document = await fetch(served)
    create = document["paths"]["/client/api/createToyDisk"]["post"]
    params = {param["name"]: param for param in create["parameters"]}
    assert params["name"]["required"] and not params["size"]["required"]
    assert params["size"]["schema"]["maximum"] == 100
    assert params["format"]["schema"]["enum"] == ["QCOW2", "RAW"]
    disk = document["components"]["schemas"]["ToyDiskView"]
    assert "state" not in disk["required"] and "ispublic" in disk["required"]

    query = signed(
        "ann",
        {
            "command": "createToyDisk",
            "name": "x",
            "zoneid": str(named("zone")),
            "response": "json",
        },
    ).replace("command=createToyDisk&", "")
    async with served.http.post(f"{served.url}/client/api/createToyDisk?{query}") as answer:
        body = await answer.json()
    answered = create["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
    assert set(answered) == set(body) == {"createtoydiskresponse"}
    made = body["createtoydiskresponse"]["toydisk"]
    assert set(disk["required"]) <= set(made) <= set(disk["properties"])


async def test_schemas_of_events_are_served(served: Served) -> None:
    async with served.http.get(f"{served.url}/schemas/vm.started.v1.json") as answer:
        assert (answer.status, answer.content_type) == (200, "application/schema+json")
        assert json.loads(await answer.text())["title"] == "vm.started"
    async with served.http.get(f"{served.url}/schemas/asyncapi.json") as answer:
        assert "vm.created.v1" in (await answer.json())["components"]["messages"]
    async with served.http.get(f"{served.url}/schemas/vm.started.v7.json") as answer:
        assert answer.status == 404 and "asyncapi.json" in await answer.text()
