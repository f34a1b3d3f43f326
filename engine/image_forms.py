"""An image in the form that its kind of hypervisor takes, converted before it is anybody's image.

A template says which kind of hypervisor it is for, and the driver of that kind says which formats
it makes disks of. One that is in another is converted to the first of these, beside its place; an
appliance of one disk becomes that disk. So what the controller keeps is what hosts are given.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from aggregates.errors import Invalid
from drivers.contract.errors import Refused
from drivers.kit import ovf
from drivers.kit.images import convert
from engine.images import FORMATS, WORD_OF, look, partial_of, settle
from engine.world import Hosts

# Discs are never converted.
KEPT = ("iso",)
# An installer is no disk, and nothing can be made of it.
INSTALLERS = ("tar",)
# What drivers call a format that an image's own record calls as qemu-img does.
CALLED = {"vpc": "vhd"}
REAL = {ours: real for real, ours in CALLED.items()}


def form_for(hosts: Hosts, hypervisor: str, image_format: str) -> str:
    """The format, as the wire calls it, in which an image is kept for a kind of hypervisor."""
    real = FORMATS[image_format]
    try:
        formats = hosts.capabilities(hypervisor).image_formats
    except Invalid:
        return image_format  # of a kind that no driver here is for: kept as it came
    if real in INSTALLERS and real not in formats:
        raise Invalid(
            f"{image_format} is an installer, and {hypervisor} starts guests from disks: register "
            "a disk image, or the installer for a kind that installs",
            field="format",
        )
    if real in KEPT or not formats or called(real) in formats:
        return image_format
    return WORD_OF[REAL.get(formats[0], formats[0])]


def called(real: str) -> str:
    """A format as drivers are told of it."""
    return CALLED.get(real, real)


async def settle_as(form: str, partial: Path, place: Path, image_format: str) -> None:
    """Give an image that was found good its place, in `form`."""
    if form == image_format:
        await settle(partial, place)
        return
    disk, fitted = beside(place)
    try:
        source, real = partial, FORMATS[image_format]
        if real == "ova":
            await asyncio.to_thread(_extract, partial, disk)
            await look(disk, "VMDK", "")
            source, real = disk, "vmdk"
        await convert(str(source), called(real), str(fitted), called(FORMATS[form]))
        await settle(fitted, place)
    finally:
        await asyncio.to_thread(disk.unlink, missing_ok=True)
    await asyncio.to_thread(partial.unlink, missing_ok=True)


async def clear(place: Path) -> None:
    """Remove what a conversion that was cut off left beside its place."""
    for path in beside(place):
        for one in (path, partial_of(path)):
            await asyncio.to_thread(one.unlink, missing_ok=True)


def beside(place: Path) -> tuple[Path, Path]:
    """Where an appliance's disk, and what is made of it, lie for a while."""
    return place.with_name(place.name + ".disk"), place.with_name(place.name + ".fitted")


def _extract(appliance: Path, target: Path) -> None:
    """The one disk of an appliance."""
    count = len(ovf.read(str(appliance)).disks)
    if count != 1:
        raise Refused(
            f"the appliance has {count} disks: for this hypervisor it must have one; register "
            "each disk as a template of its own"
        )
    ovf.extract(str(appliance), 0, str(target))
