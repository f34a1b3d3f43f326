"""Faults and delays: they do what they say to the world, and the same seed does the same again."""

from __future__ import annotations

import asyncio
from random import Random
from uuid import UUID, uuid4

import pytest

from drivers.contract.compute import HostAddress
from drivers.contract.errors import DriverError, Refused, Unavailable, Unknown
from drivers.contract.storage import DiskSpec, PoolSpec
from drivers.sim import Fault, SimDriver, SimFaults, SimWorld, make
from tests.drivers.harness_sim import guest_spec

ONE = HostAddress(url="sim://one.test")
POOL = PoolSpec(pool_id=UUID(int=1), url="nfs://store.test/primary")


@pytest.mark.parametrize(
    ("fault", "error", "done"),
    [
        (Fault.BEFORE, Unavailable, False),
        (Fault.REFUSED, Refused, False),
        (Fault.AFTER, Unknown, True),
    ],
)
async def test_a_fault_leaves_the_world_as_it_says(
    fault: Fault, error: type[DriverError], done: bool
) -> None:
    driver = SimDriver(SimWorld(), faults := SimFaults())
    session = await driver.connect(ONE)
    rule = faults.fail("start_guest", fault, nth=2)
    first, second = guest_spec(uuid4()), guest_spec(uuid4())
    await session.start_guest(first, key=uuid4())
    with pytest.raises(error):
        await session.start_guest(second, key=uuid4())
    assert (await session.find_guest(second.guest_id) is not None) is done
    await session.start_guest(second, key=uuid4())
    assert (rule.calls, rule.hits) == (3, 1)


async def test_unknown_is_now_one_and_now_the_other() -> None:
    driver = SimDriver(SimWorld(), faults := SimFaults(seed=3))
    session = await driver.connect(ONE)
    faults.fail("start_guest", Fault.UNKNOWN)
    for number in range(50):
        with pytest.raises(Unknown):
            await session.start_guest(guest_spec(UUID(int=number + 1)), key=uuid4())
    assert 10 < len(await session.list_guests()) < 40


async def test_a_fault_can_be_aimed() -> None:
    driver = SimDriver(SimWorld(), faults := SimFaults())
    one, two = await driver.connect(ONE), await driver.connect(HostAddress(url="sim://two.test"))
    spec = guest_spec(uuid4())
    faults.fail("*", Fault.REFUSED, host="sim://two.test?cpus=1")
    faults.fail("start_guest", Fault.BEFORE, subject=spec.guest_id, times=1)
    await one.start_guest(guest_spec(uuid4()), key=uuid4())
    with pytest.raises(Unavailable):
        await one.start_guest(spec, key=uuid4())
    await one.start_guest(spec, key=uuid4())
    with pytest.raises(Refused):
        await two.inspect()


async def test_delays_use_the_sleep_that_they_are_given() -> None:
    slept: list[float] = []

    async def sleep(delay_s: float) -> None:
        slept.append(delay_s)

    settings = {"delay_s": "3", "delay_s.inspect": "0", "shutdown_s": "20"}
    session = await make(settings, sleep=sleep).connect(ONE)
    assert sum(slept) == pytest.approx(3)
    slept.clear()
    await session.inspect()
    assert slept == []
    spec = guest_spec(uuid4())
    await session.start_guest(spec, key=uuid4())
    slept.clear()
    await session.stop_guest(spec.guest_id, grace_s=5, key=uuid4())
    assert sum(slept) == pytest.approx(5 + 3), "the grace is over before the guest heeds"


async def test_a_host_lost_in_the_middle_of_a_verb_leaves_it_unknown() -> None:
    driver = SimDriver(SimWorld(), SimFaults(delays_s={"start_guest": 0.05}))
    session = await driver.connect(ONE)
    start = asyncio.ensure_future(session.start_guest(guest_spec(uuid4()), key=uuid4()))
    for _ in range(1000):
        if driver.world.residue():
            break
        await asyncio.sleep(0.001)
    driver.world.partition(ONE.url)
    with pytest.raises(Unknown):
        await start
    assert driver.world.residue().guests


async def hurt(seed: int, order: int) -> tuple[bytes, list[str]]:
    """A hundred guests and disks under faults, begun in an order of their own."""
    faults = SimFaults(seed)
    for verb in ("start_guest", "create_disk"):
        faults.fail(verb, Fault.UNKNOWN, probability=0.3)
        faults.fail(verb, Fault.BEFORE, probability=0.2)
    driver = SimDriver(SimWorld(), faults, now_s=lambda: 1000.0)
    session = await driver.connect(ONE)
    ids = [UUID(int=number) for number in range(1, 101)]
    Random(order).shuffle(ids)
    heard = []
    for thing in ids:
        for _ in range(3):
            try:
                await session.create_disk(POOL, DiskSpec(volume_id=thing, size_bytes=1), key=thing)
                await session.start_guest(guest_spec(thing), key=thing)
                heard.append(f"{thing} works")
            except DriverError as error:
                heard.append(f"{thing} {error}")
    return driver.world.dump(), sorted(heard)


async def test_the_same_seed_gives_the_same_bytes_in_any_order() -> None:
    assert await hurt(7, order=1) == await hurt(7, order=2)
    assert await hurt(7, order=1) != await hurt(8, order=1)


async def test_stats_are_a_function_of_seed_and_time() -> None:
    spec, now_s = guest_spec(UUID(int=5)), [100.0]
    told = []
    for _ in range(2):
        now_s[0] = 100.0
        session = await make({"seed": "3"}, now_s=lambda: now_s[0]).connect(ONE)
        await session.start_guest(spec, key=uuid4())
        first = await session.guest_stats(), await session.host_stats()
        now_s[0] = 160.0
        second = await session.guest_stats(), await session.host_stats()
        assert second[0][0].cpu_time_ns > first[0][0].cpu_time_ns
        told.append((first, second))
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "settings",
    [
        {"fail.start_guest": "often"},
        {"fail.start_guest": "0.5:sideways"},
        {"fail.start_gest": "0.5:before"},
        {"delay_s.start_gest": "1"},
        {"sede": "7"},
        {"seed": "seven"},
        {"delay_s": "slow"},
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(Refused):
        make(settings)


async def test_settings_hurt() -> None:
    driver = make({"seed": "7", "fail.start_guest": "#2:before, #3:after"})
    session, spec = await driver.connect(ONE), guest_spec(uuid4())
    await session.start_guest(spec, key=uuid4())
    with pytest.raises(Unavailable):
        await session.start_guest(spec, key=uuid4())
    with pytest.raises(Unknown):
        await session.start_guest(spec, key=uuid4())
