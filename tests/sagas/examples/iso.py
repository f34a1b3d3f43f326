"""Examples of the sagas of iso."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from engine.intents.iso import AttachIso, CopyIso, DeleteIso, DetachIso, RegisterIso
from tests.sagas.examples.template import ZONE_2, other_zone
from tests.sagas.rig import Rig
from tests.sagas.seed import ACCOUNT, DOMAIN, ZONE, named, running

ISO = named("iso 1")


def disc() -> bytes:
    """The least that is a disc: its mark is where ECMA-119 wants it."""
    return (b"\0" * 32_769 + b"CD001").ljust(40_960, b"\0")


def _disc(home: Path) -> str:
    path = home / "disc.iso"
    path.write_bytes(disc())
    return f"file://{path}"


async def register(rig: Rig) -> RegisterIso:
    return RegisterIso(
        template_id=ISO,
        account_id=ACCOUNT,
        domain_id=DOMAIN,
        name="disc",
        display_text="disc",
        url=_disc(rig.home),
        hypervisor="None",
        image_format="ISO",
        trusted=True,
    )


async def _copy(rig: Rig) -> object:
    await other_zone(rig)
    await rig.run(replace(await register(rig), zone_ids=[ZONE]))
    return CopyIso(template_id=ISO, zone_ids=[ZONE_2])


async def _delete(rig: Rig) -> object:
    await rig.run(await register(rig))
    return DeleteIso(template_id=ISO)


async def _attach(rig: Rig) -> object:
    """Into the drive of a guest that runs, in the place of another disc."""
    first = named("iso 0")
    ask = await register(rig)
    await rig.run(ask)
    await rig.run(replace(ask, template_id=first))
    vm_id = await running(rig)
    await rig.run(AttachIso(vm_id=vm_id, iso_id=first))
    return AttachIso(vm_id=vm_id, iso_id=ISO, forced=True)


async def _detach(rig: Rig) -> object:
    await rig.run(await register(rig))
    vm_id = await running(rig)
    await rig.run(AttachIso(vm_id=vm_id, iso_id=ISO))
    return DetachIso(vm_id=vm_id)


EXAMPLES = {
    "iso.register:1": register,
    "iso.copy:1": _copy,
    "iso.delete:1": _delete,
    "vm.attach_iso:1": _attach,
    "vm.detach_iso:1": _detach,
}
