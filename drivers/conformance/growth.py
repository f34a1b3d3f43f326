"""What every hypervisor driver promises about more cores and memory for a guest that runs."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from drivers.conformance.checks import Exempt, Rig, Suite, is_running, must
from drivers.contract.compute import GuestSpec
from drivers.contract.errors import Refused

SUITE = Suite()
MORE_MIB = 128


async def _roomy(rig: Rig) -> GuestSpec:
    """A running guest that was started with room for one core and some memory more."""
    if not rig.capabilities.guest_growth:
        raise Exempt("the driver says that its guests do not grow")
    spec = await rig.guest_spec()
    return await rig.start(
        replace(spec, cpu_max=spec.cpu_count + 1, memory_max_mib=spec.memory_mib + MORE_MIB)
    )


@SUITE.promise
async def growth_is_seen_and_twice_is_once(rig: Rig) -> None:
    """A guest that was started with room gets more cores and memory, and twice is once."""
    spec = await _roomy(rig)
    cpu_count, memory_mib = spec.cpu_count + 1, spec.memory_mib + MORE_MIB
    for _ in range(2):
        await rig.within(
            rig.session.grow_guest(
                spec.guest_id, cpu_count=cpu_count, cpu_mhz=500, memory_mib=memory_mib, key=uuid4()
            )
        )
    found = await rig.found(spec.guest_id)
    must(is_running(found), f"found {found}")
    assert found is not None
    must((found.cpu_count, found.memory_mib) == (cpu_count, memory_mib), f"found {found}")


@SUITE.promise
async def a_guest_does_not_shrink_alive(rig: Rig) -> None:
    """Less than a running guest has is refused, and it keeps what it has."""
    spec = await _roomy(rig)
    less = rig.session.grow_guest(
        spec.guest_id,
        cpu_count=spec.cpu_count,
        cpu_mhz=500,
        memory_mib=spec.memory_mib // 2,
        key=uuid4(),
    )
    await rig.refuses(less, Refused)
    found = await rig.found(spec.guest_id)
    must(found is not None and found.memory_mib == spec.memory_mib, f"found {found}")


@SUITE.promise
async def growth_needs_a_running_guest(rig: Rig) -> None:
    """Nothing grows that is not there."""
    if not rig.capabilities.guest_growth:
        raise Exempt("the driver says that its guests do not grow")
    grow = rig.session.grow_guest(uuid4(), cpu_count=1, cpu_mhz=500, memory_mib=1024, key=uuid4())
    await rig.refuses(grow, Refused)
