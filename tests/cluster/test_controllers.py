"""Whole controllers, one PostgreSQL, one Kafka: any of them answers anything, and may go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from benchmarks.cloud import BY, deploy, furnish
from engine.clock import SystemClock
from engine.cluster.ownership import Partitions
from projections.saga import saga_runs
from projections.vm import vms
from sagastack.boot import Controller, controller
from sagastack.client import Client, Refusal
from sagastack.settings import Settings
from sagastack.tools.simulate import simulated
from tests.peers.kafka import Kafka
from tests.peers.postgres import Cluster


class Place:
    """Controllers that come and go, each with a signed client."""

    def __init__(self, stack: AsyncExitStack, home: Path, **settings: object) -> None:
        self._stack, self._home, self._settings = stack, home, settings
        self._lives: dict[int, AsyncExitStack] = {}
        self.controllers: dict[int, Controller] = {}
        self.clients: dict[int, Client] = {}

    async def start(self, number: int) -> Client:
        life = await self._stack.enter_async_context(AsyncExitStack())
        home = self._home / f"c{number}"
        settings = Settings(home=home, port=0, **self._settings)  # type: ignore[arg-type]
        made = await life.enter_async_context(controller(settings))
        keys = await made.credentials()
        assert keys is not None
        session = await life.enter_async_context(aiohttp.ClientSession())
        client = Client(session, made.endpoint, keys.api_key, keys.secret_key, SystemClock())
        self._lives[number], self.controllers[number] = life, made
        self.clients[number] = client
        return client

    async def stop(self, number: int) -> None:
        del self.clients[number], self.controllers[number]
        await self._lives.pop(number).aclose()

    async def owned(self) -> None:
        """Every saga is somebody's."""
        await until(lambda: sum(self.shares()) == 32 and min(self.shares()) > 0)

    def shares(self) -> list[int]:
        """How many partitions each controller has."""
        owners = [made.member.owner for made in self.controllers.values()]
        return [len(one.mine) for one in owners if isinstance(one, Partitions)]


async def until(holds: Callable[[], bool | Awaitable[bool]], timeout_s: float = 180) -> None:
    """Wait for what others bring about."""
    async with asyncio.timeout(timeout_s):
        while True:
            found = holds()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.1)


@pytest.fixture
async def place(url: str, kafka: Kafka, tmp_path: Path) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(
            simulated(Settings(home=tmp_path / "world"), "127.0.0.1:0", None)
        )
        yield Place(
            stack,
            tmp_path,
            store=url,
            kafka=kafka.servers,
            topics=kafka.prefix,
            simulator={"server": world},
            vault_key_file=tmp_path / "vault.key",
        )


async def test_any_controller_answers_anything(place: Place) -> None:
    one, two = await place.start(1), await place.start(2)
    for number in range(10):
        await one.call("createAccount", **person(number))
        found = await two.call("listAccounts", name=f"p{number}", listall="true")
        assert found["count"] == 1, "a read sees what was acknowledged before, elsewhere"
        await two.call(
            "lockAccount", account=f"p{number}", domainid=found["account"][0]["domainid"]
        )
        again = await one.call("listAccounts", name=f"p{number}", listall="true")
        assert again["account"][0]["state"] == "locked"


def person(number: int) -> dict[str, str]:
    names = {"username": f"p{number}", "firstname": "a", "lastname": "b", "email": "a@b.c"}
    return {**names, "password": "x" * 12, "accounttype": "0"}


async def test_sagas_are_shared_and_outlive_their_controller(place: Place) -> None:
    await place.start(1)
    await place.start(2)
    await place.owned()
    first = place.controllers[1].engine
    await furnish(first, host_count=4)
    jobs = [await first.submit(deploy(f"g{number}"), BY) for number in range(20)]
    await place.stop(1)
    second = place.controllers[2].engine
    # What the first one committed last may still be on its way.
    await until(lambda: all(job.id in second.cloud[saga_runs] for job in jobs))
    for job in jobs:
        async with asyncio.timeout(180):
            await second.runner.wait(job.id)
    guests = list(second.cloud[vms])
    assert [guest.state for guest in guests] == ["Running"] * 20
    assert len({nic.ip4 for guest in guests for nic in guest.nics}) == 20


async def test_the_cloud_goes_on_without_kafka(place: Place, kafka: Kafka) -> None:
    one, two = await place.start(1), await place.start(2)
    await place.owned()
    await furnish(place.controllers[1].engine, host_count=2)
    kafka.broker.stop()
    try:
        for number, client in enumerate((one, two)):
            await client.call("createAccount", **person(number))
        found = await two.call("listAccounts", listall="true", keyword="p")
        assert {row["name"] for row in found["account"]} >= {"p0", "p1"}
        for number, made in place.controllers.items():
            async with asyncio.timeout(180):
                await made.engine.perform(deploy(f"g{number}"), BY)
    finally:
        kafka.broker.start()
    relays = [made.member.relay for made in place.controllers.values()]

    def published() -> bool:
        end = place.controllers[1].cloud.position
        return any(relay is not None and relay.figures.position >= end for relay in relays)

    await until(published)


async def test_without_postgres_reads_go_on_and_nothing_acknowledged_is_lost(
    place: Place, postgres_cluster: Cluster
) -> None:
    one, two = await place.start(1), await place.start(2)
    await one.call("createAccount", **person(1))
    assert (await two.call("listAccounts", name="p1", listall="true"))["count"] == 1
    postgres_cluster.stop("immediate")
    try:
        with pytest.raises(Refusal, match="postgres at"):
            await one.call("createAccount", **person(2))
        for client in (one, two):
            assert (await client.call("listAccounts", name="p1", listall="true"))["count"] == 1
    finally:
        postgres_cluster.start()

    async def writes() -> bool:
        try:
            await one.call("createAccount", **person(3))
        except Refusal as refused:
            assert "postgres at" in str(refused)
            return False
        return True

    await until(writes)
    assert (await two.call("listAccounts", name="p3", listall="true"))["count"] == 1
    assert (await two.call("listAccounts", name="p1", listall="true"))["count"] == 1
