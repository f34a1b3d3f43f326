"""Connections to hosts: one attempt at a time, whose outcome all have who waited for it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from drivers.contract.compute import HostAddress
from drivers.contract.errors import Refused, Unavailable
from engine.hosts import HostRegistry

HOST = uuid4()


class Driver:
    """Connects when it is let, unless `error` says why it cannot."""

    def __init__(self) -> None:
        self.asked: list[HostAddress] = []
        self.let = asyncio.Event()
        self.error: Exception | None = None

    async def connect(self, address: HostAddress) -> Any:
        self.asked.append(address)
        await self.let.wait()
        if self.error is not None:
            raise self.error
        return SimpleNamespace(address=address, close=self.let.wait)


class Place:
    """A registry of one host."""

    def __init__(self) -> None:
        self.host = SimpleNamespace(
            id=HOST, name="host", url="sim://one", username="", password_ref="", hypervisor="Sim"
        )
        self.driver = Driver()
        cloud: Any = defaultdict(lambda: {HOST: self.host})
        drivers: Any = SimpleNamespace(get=lambda hypervisor: self.driver)
        vault: Any = None
        self.registry = HostRegistry(cloud, drivers, vault)

    async def several(self, count: int) -> list[asyncio.Task[Any]]:
        """So many who ask for the host, all of them waiting."""
        asking = [asyncio.create_task(self.registry.session(HOST)) for _ in range(count)]
        for _ in range(3):
            await asyncio.sleep(0)
        return asking


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.mark.parametrize("error", [Unavailable("no route"), Refused("wrong password")])
async def test_whoever_waits_for_an_attempt_has_its_failure(place: Place, error: Exception) -> None:
    asking = await place.several(50)
    place.driver.error = error
    place.driver.let.set()
    told = await asyncio.gather(*asking, return_exceptions=True)
    assert {(type(one), str(one)) for one in told} == {(type(error), str(error))}
    assert len(place.driver.asked) == 1


async def test_whoever_comes_later_makes_another_one(place: Place) -> None:
    place.driver.error = Unavailable("no route")
    place.driver.let.set()
    for number in (1, 2):
        with pytest.raises(Unavailable):
            await place.registry.session(HOST)
        assert len(place.driver.asked) == number
    place.driver.error = None
    session = await place.registry.session(HOST)
    assert await place.registry.session(HOST) is session
    assert len(place.driver.asked) == 3


async def test_a_connection_is_made_once_for_all(place: Place) -> None:
    asking = await place.several(50)
    place.driver.let.set()
    assert len({id(one) for one in await asyncio.gather(*asking)}) == 1
    assert len(place.driver.asked) == 1


async def test_who_waits_while_the_host_gets_another_address_asks_there(place: Place) -> None:
    asking = await place.several(2)
    place.host.url = "sim://two"
    place.driver.error = Unavailable("nobody is there any more")
    place.driver.let.set()
    told = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(one, Unavailable) for one in told)
    assert [one.url for one in place.driver.asked] == ["sim://one", "sim://two"]


async def test_who_gives_up_takes_nothing_from_the_others(place: Place) -> None:
    first, second = await place.several(2)
    first.cancel()
    await asyncio.wait({first})
    place.driver.let.set()
    assert (await second).address == HostAddress(url="sim://one")
    assert len(place.driver.asked) == 2
