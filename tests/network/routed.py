"""A place whose routers are seen: what each was told last, on which simulated host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from drivers.contract.routing import Lease, RouterSpec
from drivers.sim import SimDriver
from drivers.sim.routed import Routed
from drivers.sim.world import SimWorld
from engine.routing import keeper
from projections.router import Router, routers
from tests.rules.world import add_public
from tests.tenant.world import Place, place

SOON_S = 20


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks come at once, and a host is given up as soon as it is lost."""
    monkeypatch.setattr(keeper, "AGAIN_S", 0.05)
    monkeypatch.setattr(keeper, "LOOK_S", 0.1)
    monkeypatch.setattr(keeper, "GIVEN_UP_S", 0.3)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Place]:
    async with place(tmp_path) as one:
        await add_public(one.controller)
        yield one


def world(here: Place) -> SimWorld:
    driver = here.controller.drivers.get("Simulator")
    assert isinstance(driver, SimDriver)
    return driver.world


def routed(here: Place) -> list[Routed]:
    """Every router on every host."""
    return [one for held in world(here).routers.values() for one in held.values()]


def there(here: Place) -> list[tuple[str, RouterSpec]]:
    return [(one.host, one.spec) for one in routed(here)]


def leases(here: Place) -> list[Lease]:
    """Of all routers."""
    return [lease for one in routed(here) for lease in one.leases.values()]


async def leased(here: Place, *names: str) -> list[Lease]:
    """All leases that there are, as soon as they are of guests of these names."""
    await soon(
        f"leases of {names}", lambda: sorted(one.name for one in leases(here)) == sorted(names)
    )
    return leases(here)


async def soon(what: str, holds: Callable[[], Any]) -> Any:
    try:
        async with asyncio.timeout(SOON_S):
            while not (found := holds()):  # noqa: ASYNC110 (hosts tell nobody that they were told)
                await asyncio.sleep(0.02)
            return found
    except TimeoutError:
        raise AssertionError(f"not so within {SOON_S} s: {what}") from None


async def served(here: Place, holds: Callable[[RouterSpec], bool] = lambda _: True) -> RouterSpec:
    """The one router that there is, as soon as it is like this."""

    def now() -> RouterSpec | None:
        found = there(here)
        return found[0][1] if len(found) == 1 and holds(found[0][1]) else None

    spec: RouterSpec = await soon(f"one router like that: {there(here)}", now)
    return spec


def outside(spec: RouterSpec) -> tuple[str, ...]:
    return () if spec.uplink is None else spec.uplink.addresses


def rows(here: Place) -> list[Router]:
    return list(here.controller.cloud[routers])


def row(here: Place) -> Router:
    (found,) = rows(here)
    return found


def domains(here: Place) -> set[str]:
    return {one.domain for one in leases(here)}


def lets_in(spec: RouterSpec, gateway: str) -> bool:
    """Does any line let something come to the network that has this gateway?"""
    return any(line.allow for net in spec.nets if net.gateway == gateway for line in net.comes)


async def vm_named(here: Place, name: str) -> Any:
    asked = {"name": name, "listall": "true"}
    return await here.admin.one("listVirtualMachines", "virtualmachine", **asked)


async def router_of(here: Place) -> Any:
    return await here.admin.one("listRouters", "router", listall="true")
