"""What a kind says that it cannot do, it refuses, with the reason that it gave beforehand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID, uuid4

from drivers.conformance.checks import Exempt, Rig, Suite, must
from drivers.contract.compute import Adoption, DiskAttachment, DiskLimits
from drivers.contract.driver import FEATURES, HostSession
from drivers.contract.errors import Refused
from drivers.contract.hooks import Hook, HookStage
from drivers.contract.storage import DiskPlace

SUITE = Suite()


@SUITE.promise
async def what_it_cannot_it_refuses(rig: Rig) -> None:
    """Each verb that the driver says its kind cannot is refused with the reason that it gave."""
    cannot = rig.capabilities.cannot
    if not cannot:
        raise Exempt("this kind says of nothing that it cannot")
    calls = await _calls(rig)
    for name, why in cannot.items():
        must(name in FEATURES or name in calls, f"{name} is neither a feature nor such a verb")
        must(why != "", f"no reason is given for {name}")
        if name in FEATURES:
            must(getattr(rig.capabilities, name, False) is False, f"{name}: it can and it cannot")
        if name not in calls:
            continue
        try:
            await rig.within(calls[name](rig.bare))
        except Refused as refused:
            must(why in str(refused), f"{name}: refused, but not for {why!r}: {refused}")
        else:
            must(False, f"{name} was done, though the driver says: {why}")


Call = Callable[[HostSession], Awaitable[object]]


async def _calls(rig: Rig) -> Mapping[str, Call]:
    """Every verb that a kind may lack, called as the engine would, on things that are nowhere."""
    guest, volume, snapshot, key = uuid4(), uuid4(), uuid4(), uuid4()
    disk = DiskAttachment(volume_id=volume, path="/nowhere", device=1)
    place, blank = DiskPlace(pool=rig.pool, disk_id=volume), rig.disk_spec(2**20, blank=True)
    imported = rig.disk_spec(rig.harness.image().virtual_bytes)
    address, nic = rig.harness.address(), rig.nic()
    hook = Hook(stage=HookStage.PRE_FLIGHT, folder="/nowhere", timeout_s=9)
    return {
        "reboot_guest": lambda s: s.reboot_guest(guest, force=True, key=key),
        "migrate_guest": lambda s: s.migrate_guest(guest, address, key=key),
        "grow_guest": lambda s: s.grow_guest(
            guest, cpu_count=2, cpu_mhz=1000, memory_mib=1024, key=key
        ),
        "snapshot_guest": lambda s: s.snapshot_guest(
            guest, snapshot, (disk,), with_memory=False, key=key
        ),
        "revert_guest": lambda s: s.revert_guest(
            guest, snapshot, (disk,), with_memory=False, key=key
        ),
        "forget_snapshot": lambda s: s.forget_snapshot(guest, snapshot, (disk,), key=key),
        "attach_disk": lambda s: s.attach_disk(guest, disk, key=key),
        "limit_disk": lambda s: s.limit_disk(guest, volume, DiskLimits(total_iops=9), key=key),
        "detach_disk": lambda s: s.detach_disk(guest, volume, key=key),
        "attach_nic": lambda s: s.attach_nic(guest, nic, key=key),
        "detach_nic": lambda s: s.detach_nic(guest, nic.nic_id, key=key),
        "survey_strangers": lambda s: s.survey_strangers(),
        "adopt_guest": lambda s: s.adopt_guest(
            "nobody", Adoption(guest_id=guest, name="nobody"), key=key
        ),
        "disown_guest": lambda s: s.disown_guest(guest, key=key),
        "console": lambda s: s.console(guest),
        "run_hook": lambda s: s.run_hook(hook, key=key),
        "resize_disk": lambda s: s.resize_disk(rig.pool, volume, size_bytes=2**31, key=key),
        "keep_image": lambda s: s.keep_image(rig.pool, rig.harness.image(), key=key),
        "drop_image": lambda s: s.drop_image(rig.pool, snapshot, key=key),
        "snapshot_disk": lambda s: s.snapshot_disk(rig.pool, volume, snapshot, key=key),
        "remove_snapshot": lambda s: s.remove_snapshot(rig.pool, snapshot, key=key),
        "revert_disk": lambda s: s.revert_disk(rig.pool, volume, snapshot, key=key),
        "copy_disk": lambda s: s.copy_disk(place, rig.pool, blank, key=key),
        "move_disk": lambda s: s.move_disk(guest, volume, rig.pool, key=key),
        "export_disk": lambda s: s.export_disk(place, rig.harness.scratch(), key=key),
        "import_disk": lambda s: s.import_disk(rig.pool, imported, key=key),
        "adopt_disk": lambda s: s.adopt_disk(rig.pool, "/nowhere", UUID(int=1), key=key),
        "disown_disk": lambda s: s.disown_disk(rig.pool, volume, key=key),
    }
