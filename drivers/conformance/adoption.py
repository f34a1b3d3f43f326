"""What every hypervisor driver promises about guests that no controller made."""

from __future__ import annotations

from uuid import uuid4

from drivers.conformance.checks import Exempt, Rig, Suite, is_running, must
from drivers.contract.compute import Adoption
from drivers.contract.errors import Refused

SUITE = Suite()


def _need(rig: Rig) -> None:
    if not rig.capabilities.adoption:
        raise Exempt("the driver says that it adopts nobody")


@SUITE.promise
async def ours_is_let_go_of_and_taken_back(rig: Rig) -> None:
    """A guest that is let go of runs on as a stranger with its disk, and can be adopted again."""
    _need(rig)
    disk = await rig.disk()
    assert disk.volume_id is not None
    spec = await rig.start(rig.spec_on(disk))
    session = rig.session
    for _ in range(2):
        await rig.within(session.disown_guest(spec.guest_id, key=uuid4()))
    for _ in range(2):
        await rig.within(session.disown_disk(rig.pool, disk.volume_id, key=uuid4()))
    must(await rig.found(spec.guest_id) is None, "it is still known as ours")
    must(await rig.disk_copies(disk.volume_id) == 0, "its disk is still known as ours")
    seen = await rig.within(session.survey_strangers())
    mine = [one for one in seen if any(str(disk.volume_id) in d.path for d in one.disks)]
    must(len(mine) == 1, f"strangers: {seen}")
    must(mine[0].memory_mib == spec.memory_mib, f"the stranger is {mine[0]}")
    must(mine[0].disks[0].size_bytes == disk.size_bytes, f"its disk is {mine[0].disks}")
    again, volume = rig.track(spec).guest_id, disk.volume_id
    path = mine[0].disks[0].path
    for _ in range(2):
        await rig.within(session.adopt_disk(rig.pool, path, volume, key=uuid4()))
    ask = Adoption(guest_id=again, name="back", disks=((volume, path),))
    for _ in range(2):
        await rig.within(session.adopt_guest(mine[0].name, ask, key=uuid4()))
    must(is_running(await rig.found(again)), "the adopted guest is not found by its id")
    must(await rig.copies(again) == 1, "it is not listed once under its id")
    must(await rig.disk_copies(volume) == 1, "its disk is not listed under its id")
    if not any(map(rig.capabilities.why_not, ("resize_disk", "live_disk_growth"))):
        larger = rig.sized(disk.size_bytes + 16 * 1024**2)
        told = await rig.within(
            session.resize_disk(rig.pool, volume, size_bytes=larger, key=uuid4())
        )
        must(told.size_bytes == larger, f"its disk did not grow while it runs: {told}")
    await rig.within(session.stop_guest(again, grace_s=0, key=uuid4()))
    await rig.within(session.remove_guest(again, key=uuid4()))
    must(await rig.found(again) is None, "the removed guest is found")


@SUITE.promise
async def a_stranger_is_adopted_under_any_id(rig: Rig) -> None:
    """A stranger that runs is known by the id that it is given, and by no other."""
    _need(rig)
    name = await rig.harness.add_stranger()
    if name is None:
        raise Exempt("the harness has no stranger")
    guest_id, session = uuid4(), rig.session
    ask = Adoption(guest_id=guest_id, name=name)
    await rig.within(session.adopt_guest(name, ask, key=uuid4()))
    must(is_running(await rig.found(guest_id)), "it is not found by its id")
    must(all(one.name != name for one in await session.survey_strangers()), "still a stranger")
    await rig.within(session.disown_guest(guest_id, key=uuid4()))
    must(await rig.found(guest_id) is None, "it is still ours")


@SUITE.promise
async def nobody_is_adopted_twice(rig: Rig) -> None:
    """A guest that a controller has, and one that is not there, are refused."""
    _need(rig)
    spec = await rig.start()
    other = Adoption(guest_id=uuid4(), name="x")
    for name in (spec.name, f"nobody-{uuid4().hex[:8]}"):
        await rig.refuses(rig.session.adopt_guest(name, other, key=uuid4()), Refused)
