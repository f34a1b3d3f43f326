"""A running cloud with one zone of simulated hosts, and what tests want to do in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from tests.e2e.server import Api, Awaitable, Server, serving
from tests.infra.build import Built, data_center

PASSWORD = "a-tenant-password-4711"
_numbers = count(1)


def unique(word: str) -> str:
    """A name that no other test of this run uses: they share a cloud."""
    return f"{word}-{next(_numbers)}"


def deployment(api: Api, zone_id: str) -> dict[str, Any]:
    """The least that a deployVirtualMachine needs to say."""
    size = api.one("listServiceOfferings", "serviceoffering", name="Small Instance")
    image = api("listTemplates", templatefilter="featured", hypervisor="Simulator")
    return {
        "zoneid": zone_id,
        "serviceofferingid": size["id"],
        "templateid": image["template"][0]["id"],
    }


@dataclass
class Place:
    """The server, its admin's client, and the zone that was built in it."""

    server: Server
    api: Api
    built: Built
    shape: dict[str, Any]

    def deploy(self, api: Api | None = None, **more: Any) -> Any:
        asked = self.shape | {"name": unique("vm")} | more
        return (api or self.api)("deployVirtualMachine", **asked)["virtualmachine"]

    def expunge(self, vm: Any, api: Api | None = None) -> None:
        (api or self.api)("destroyVirtualMachine", id=vm["id"], expunge=True)

    def tenant(self) -> Api:
        """A new account's client."""
        name = unique("tenant")
        person = {"email": "t@example.org", "firstname": "T", "lastname": "T"}
        made = self.api("createAccount", username=name, password=PASSWORD, accounttype=0, **person)
        user_id = made["account"]["user"][0]["id"]
        keys = self.api("registerUserKeys", id=user_id)["userkeys"]
        return Api(self.api.endpoint, keys["apikey"], keys["secretkey"])


@contextmanager
def cloud(home: Path, **environment: str) -> Iterator[Place]:
    """A server on an empty folder with its zone built, as CloudStack's deployment tool does.

    Its users may expunge what is theirs, so that tests can clear up.
    """
    with serving(home, **environment) as server:
        api = server.api()
        built = asyncio.run(data_center(Awaitable(api)))  # type: ignore[arg-type]
        api("updateConfiguration", name="allow.user.expunge.recover.vm", value="true")
        yield Place(server, api, built, deployment(api, built.zone))
