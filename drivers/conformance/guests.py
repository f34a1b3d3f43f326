"""What every hypervisor driver promises about the life of a guest, one check a promise.

The guests of these checks need nothing but to run; only `stop_waits_for_the_guest` asks one to
heed its power button, and the harness says whether it can.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from uuid import uuid4

from drivers.conformance.checks import Exempt, Rig, Suite, is_running, must
from drivers.contract.compute import Power
from drivers.contract.errors import Refused

SUITE = Suite()


@SUITE.promise
async def start_runs_the_guest(rig: Rig) -> None:
    """A started guest is found running, under its id, with what it was given."""
    spec = await rig.guest_spec()
    told = await rig.within(rig.session.start_guest(spec, key=uuid4()))
    found = await rig.found(spec.guest_id)
    must(is_running(told) and is_running(found), f"told {told}, found {found}")
    must(found is not None and found.guest_id == told.guest_id == spec.guest_id, "another id")
    must(found is not None and found.cpu_count == spec.cpu_count, f"cores: {found}")
    must(found is not None and found.memory_mib == spec.memory_mib, f"memory: {found}")


@SUITE.promise
async def start_twice_is_once(rig: Rig) -> None:
    """Starting a guest again with the same key makes no second one, and is success."""
    spec, key = await rig.guest_spec(), uuid4()
    for _ in range(2):
        told = await rig.within(rig.session.start_guest(spec, key=key))
        must(is_running(told), f"told {told}")
    must(await rig.copies(spec.guest_id) == 1, "there is not exactly one guest of this id")


@SUITE.promise
async def a_start_brings_what_the_guest_is_told(rig: Rig) -> None:
    """A guest with a config disc runs, is gone as a whole, and is given another disc next time."""
    spec = await rig.guest_spec()
    for text in (b"first", b"second"):
        told = replace(spec, config=(("openstack/latest/user_data", text),))
        await rig.within(rig.session.start_guest(told, key=uuid4()))
        must(is_running(await rig.found(spec.guest_id)), "it does not run with a config disc")
        await rig.within(rig.session.stop_guest(spec.guest_id, grace_s=0, key=uuid4()))
        await rig.within(rig.session.remove_guest(spec.guest_id, key=uuid4()))
        must(await rig.found(spec.guest_id) is None, "something of it is left")


@SUITE.promise
async def start_with_another_key_is_once(rig: Rig) -> None:
    """The id names the guest: another key finds the guest that runs, and is success."""
    spec = await rig.start()
    told = await rig.within(rig.session.start_guest(spec, key=uuid4()))
    must(is_running(told), f"told {told}")
    must(await rig.copies(spec.guest_id) == 1, "there is not exactly one guest of this id")


@SUITE.promise
async def starts_side_by_side_are_one(rig: Rig) -> None:
    """The same start asked for twice at once still makes one guest."""
    spec, key = await rig.guest_spec(), uuid4()
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(
                rig.until_known(lambda: rig.session.start_guest(spec, key=key)), name="start"
            )
    must(await rig.copies(spec.guest_id) == 1, "there is not exactly one guest of this id")


@SUITE.promise
async def start_after_stop(rig: Rig) -> None:
    """A stopped guest starts again, with its disk, whether or not it was removed in between."""
    spec = await rig.start()
    for removes in (False, True):
        await rig.within(rig.session.stop_guest(spec.guest_id, grace_s=0, key=uuid4()))
        if removes:
            await rig.within(rig.session.remove_guest(spec.guest_id, key=uuid4()))
        told = await rig.within(rig.session.start_guest(spec, key=uuid4()))
        must(is_running(told), f"told {told}")
    must(await rig.copies(spec.guest_id) == 1, "there is not exactly one guest of this id")


@SUITE.promise
async def start_too_large_is_refused(rig: Rig) -> None:
    """A guest that the host can never run is refused, and nothing of it stays."""
    spec = rig.track(rig.harness.too_large())
    await rig.refuses(rig.session.start_guest(spec, key=uuid4()), Refused)
    must(await rig.copies(spec.guest_id) == 0, "the refused guest is listed")


@SUITE.promise
async def start_without_its_disk_is_refused(rig: Rig) -> None:
    """A guest whose disk is not there is refused, and nothing of it stays."""
    disk = await rig.disk()
    spec = rig.spec_on(disk)
    assert disk.volume_id is not None
    await rig.within(rig.session.remove_disk(rig.pool, disk.volume_id, key=uuid4()))
    await rig.refuses(rig.session.start_guest(spec, key=uuid4()), Refused)
    must(await rig.copies(spec.guest_id) == 0, "the refused guest is listed")


@SUITE.promise
async def remove_leaves_nothing(rig: Rig) -> None:
    """A removed guest is neither found nor listed, and its disk is still there."""
    disk = await rig.disk()
    spec = await rig.start(rig.spec_on(disk))
    await rig.within(rig.session.remove_guest(spec.guest_id, key=uuid4()))
    must(await rig.found(spec.guest_id) is None, "the removed guest is found")
    must(await rig.copies(spec.guest_id) == 0, "the removed guest is listed")
    assert disk.volume_id is not None
    must(await rig.disk_copies(disk.volume_id) == 1, "removing the guest took its disk")


@SUITE.promise
async def remove_what_is_gone(rig: Rig) -> None:
    """Removing a guest twice with one key is success twice."""
    spec, key = await rig.start(), uuid4()
    for _ in range(2):
        await rig.within(rig.session.remove_guest(spec.guest_id, key=key))
    must(await rig.found(spec.guest_id) is None, "the removed guest is found")


@SUITE.promise
async def remove_what_never_was(rig: Rig) -> None:
    """Undoing a start that never happened is success."""
    await rig.within(rig.session.remove_guest(uuid4(), key=uuid4()))


@SUITE.promise
async def stop_now(rig: Rig) -> None:
    """With no grace a guest is off, or not there at all, when the verb returns."""
    spec = await rig.start()
    await rig.within(rig.session.stop_guest(spec.guest_id, grace_s=0, key=uuid4()))
    found = await rig.found(spec.guest_id)
    must(found is None or found.power is Power.OFF, f"found {found}")


@SUITE.promise
async def stop_of_what_is_off(rig: Rig) -> None:
    """Stopping a guest that is off, gone or unheard of is success."""
    spec, key = await rig.start(), uuid4()
    for _ in range(2):
        await rig.within(rig.session.stop_guest(spec.guest_id, grace_s=0.5, key=key))
    await rig.within(rig.session.remove_guest(spec.guest_id, key=uuid4()))
    await rig.within(rig.session.stop_guest(spec.guest_id, grace_s=0.5, key=uuid4()))
    await rig.within(rig.session.stop_guest(uuid4(), grace_s=0.5, key=uuid4()))


SOON_S = 20.0  # Less than a grace that a hypervisor takes of its own accord.


@SUITE.promise
async def stop_ends_with_its_grace(rig: Rig) -> None:
    """A guest that heeds nothing is off soon after its grace has passed."""
    spec = await rig.start()
    began_s = time.monotonic()
    await rig.within(rig.session.stop_guest(spec.guest_id, grace_s=0.5, key=uuid4()))
    took_s = time.monotonic() - began_s
    found = await rig.found(spec.guest_id)
    must(found is None or found.power is Power.OFF, f"found {found}")
    must(
        took_s < 0.5 + min(rig.harness.verb_s / 2, SOON_S), f"a grace of 0.5 s took {took_s:.1f} s"
    )


@SUITE.promise
async def stop_waits_for_the_guest(rig: Rig) -> None:
    """A guest that heeds its power button is given its grace, and no more time than it needs."""
    if not rig.harness.grace_s:
        raise Exempt("the harness has no guest that heeds its power button")
    spec = await rig.start()
    await asyncio.sleep(rig.harness.grace_s)
    began_s = time.monotonic()
    grace_s = 10 * rig.harness.grace_s
    await rig.within(rig.session.stop_guest(spec.guest_id, grace_s=grace_s, key=uuid4()))
    found = await rig.found(spec.guest_id)
    must(found is None or found.power is Power.OFF, f"found {found}")
    must(time.monotonic() - began_s < grace_s, "the whole grace was waited for")


@SUITE.promise
async def reboot_keeps_the_guest(rig: Rig) -> None:
    """A rebooted guest runs on under its id, and there is still one of it."""
    spec = await rig.start()
    for force in (True, False):
        await rig.within(rig.session.reboot_guest(spec.guest_id, force=force, key=uuid4()))

        async def runs() -> bool:
            return is_running(await rig.found(spec.guest_id))

        await rig.settles("the rebooted guest runs", runs)
    must(await rig.copies(spec.guest_id) == 1, "there is not exactly one guest of this id")


@SUITE.promise
async def reboot_of_what_is_off_is_refused(rig: Rig) -> None:
    """A guest that is off or gone cannot be rebooted."""
    spec = await rig.start()
    await rig.within(rig.session.stop_guest(spec.guest_id, grace_s=0, key=uuid4()))
    for guest_id in (spec.guest_id, uuid4()):
        await rig.refuses(rig.session.reboot_guest(guest_id, force=True, key=uuid4()), Refused)


@SUITE.promise
async def one_key_serves_every_verb(rig: Rig) -> None:
    """A key says which step asks, not what for: a step may call several verbs with its one key."""
    key, session = uuid4(), rig.session
    for _ in range(2):
        disk_spec = rig.disk_spec(rig.harness.image().virtual_bytes)
        spec = rig.spec_on(await rig.within(session.create_disk(rig.pool, disk_spec, key=key)))
        await rig.within(session.start_guest(spec, key=key))
        must(is_running(await rig.found(spec.guest_id)), "the key was taken for a repetition")
        await rig.within(session.stop_guest(spec.guest_id, grace_s=0, key=key))
        await rig.within(session.remove_guest(spec.guest_id, key=key))
        await rig.within(session.remove_disk(rig.pool, disk_spec.volume_id, key=key))
        must(await rig.disk_copies(disk_spec.volume_id) == 0, "the removed disk is listed")
