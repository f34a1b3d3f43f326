"""Looks at an image before anything may be made of it, and keeps it beside the others.

An image comes from a stranger. A disk that names another file (a backing file, a data file, an
extent) would make a hypervisor read whatever the stranger likes, so headers are read here, by
plain bytes, before `qemu-img` may open the file; and `qemu-img` is given little memory and time.
Where they lie says `engine.image_places`; a file that is not whole yet ends in `.partial` and is
nobody's image.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from aggregates.appliance import Appliance
from aggregates.errors import Invalid
from drivers.contract.errors import Refused, Unavailable
from drivers.kit import installer
from engine import appliances

# CloudStack's word for a format, and what qemu-img calls it.
FORMATS = {
    "QCOW2": "qcow2",
    "RAW": "raw",
    "VHD": "vpc",
    "VHDX": "vhdx",
    "VMDK": "vmdk",
    "OVA": "ova",
    "ISO": "iso",
    "TAR": "tar",
}
WORD_OF = {real: word for word, real in FORMATS.items()}
ALGORITHMS = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
# How the formats begin that may name other files: a probe would open those.
MAGIC = {
    b"QFI\xfb": "qcow2",
    b"QED\0": "qed",
    b"KDMV": "vmdk",
    b"COWD": "vmdk",
    b"# Disk DescriptorFile": "vmdk",
    b"vhdxfile": "vhdx",
}
SECTOR_BYTES = 512
# Where a disc says what it is (ECMA-119 8.1, ECMA-167 2/9.1).
DISC_MARK_AT, DISC_MARKS = 32_769, (b"CD001", b"BEA01")
VIRTUAL_BYTES_MAX = 64 * 2**40
LOOK_S = 60
# What a probe of a malformed file may take: OpenStack guards its probes in the same way.
LIMITS = ("prlimit", f"--as={2**30}", "--cpu=30")


@dataclass(frozen=True, slots=True)
class Image:
    """An image that was looked at. `size_bytes` is what a guest sees, `physical_bytes` the file.

    Of an appliance that is the sum of its disks.
    """

    path: str
    real_format: str
    size_bytes: int
    physical_bytes: int
    checksum: str
    appliance: Appliance | None = None


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a file is said to hash to."""

    algorithm: str
    digest: str

    def __str__(self) -> str:
        return f"{{{self.algorithm.upper().replace('SHA', 'SHA-')}}}{self.digest}"


def checksum(text: str) -> Checksum | None:
    """Read `{SHA-256}hex`, or bare hex whose length tells the algorithm; None for no text."""
    if not text.strip():
        return None
    found = re.fullmatch(r"(?:\{([\w-]+)\})?([0-9a-f]+)", text.strip().lower())
    known = found and ALGORITHMS.get(len(found[2]))
    if not found or not known or found[1] not in (None, known, known.replace("sha", "sha-")):
        raise Invalid(
            f"checksum {text[:140]} is none: give the hex digits of an MD5 or SHA sum, or "
            "{SHA-256} and its 64 hex digits",
            field="checksum",
        )
    return Checksum(known, found[2])


def partial_of(place: Path) -> Path:
    return place.with_name(place.name + ".partial")


async def exists(path: Path) -> bool:
    return await asyncio.to_thread(path.exists)


async def remove(place: Path) -> None:
    """Remove an image, whole or not; what is gone already is no error."""
    for path in (place, partial_of(place)):
        await asyncio.to_thread(path.unlink, missing_ok=True)


async def settle(partial: Path, place: Path) -> None:
    """Give a file that was found good its final name, durably."""

    def move() -> None:
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(place)
        folder = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    await asyncio.to_thread(move)


async def look(path: Path, image_format: str, wanted: str) -> Image:
    """What an image really is; `Refused` says what is wrong with it."""
    said = checksum(wanted)
    algorithm = said.algorithm if said else "sha256"
    digest = await asyncio.to_thread(_digest, path, algorithm)
    if said and digest != said.digest:
        raise Refused(f"the image has the {algorithm} sum {digest}, and {said.digest} was expected")
    expected = FORMATS[image_format]
    await asyncio.to_thread(_read_header, path, expected)
    appliance = None
    if expected == "ova":
        appliance = await asyncio.to_thread(appliances.look, str(path))
        real, size_bytes = "ova", sum(disk.size_bytes for disk in appliance.disks)
    elif expected == "tar":
        real, size_bytes = "tar", await asyncio.to_thread(installer.look, path)
    elif expected == "iso":
        real, size_bytes = "iso", (await asyncio.to_thread(path.stat)).st_size
    else:
        real, size_bytes = await _ask_qemu(path, expected)
    if not 0 < size_bytes <= VIRTUAL_BYTES_MAX:
        raise Refused(f"the image claims a disk of {size_bytes} bytes")
    facts = await asyncio.to_thread(path.stat)
    told = str(Checksum(algorithm, digest))
    return Image(str(path), real, size_bytes, facts.st_size, told, appliance)


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _read_header(path: Path, expected: str) -> None:
    """Refuse, by its first bytes alone, what must not even be opened by a tool."""
    with path.open("rb") as file:
        head = file.read(SECTOR_BYTES)
    claimed = next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), expected)
    if claimed != expected:
        raise Refused(f"the image is {claimed}, and {expected} was declared")
    if expected == "qcow2":
        _qcow2(head)
    elif expected == "vmdk":
        # A text descriptor, or a header without a capacity, only names other files.
        if head[:4] != b"KDMV" or not struct.unpack_from("<Q", head, 12)[0]:
            raise Refused("the image is no VMDK that holds its own data")
    elif expected == "iso":
        with path.open("rb") as file:
            file.seek(DISC_MARK_AT)
            mark = file.read(5)
        if mark not in DISC_MARKS:
            raise Refused(f"the image is no disc of ISO 9660 or UDF: it begins {head[:16]!r}")
    elif expected == "raw":
        size_bytes = path.stat().st_size
        if size_bytes < SECTOR_BYTES or size_bytes % SECTOR_BYTES or _is_text(head):
            raise Refused(
                f"the image is no raw disk: it has {size_bytes} bytes and begins {head[:40]!r}"
            )


def _is_text(head: bytes) -> bool:
    return all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in head)


def _qcow2(head: bytes) -> None:
    """The header of QEMU's own format (docs/interop/qcow2.txt in QEMU's source)."""
    if len(head) < 104 or head[:4] != b"QFI\xfb":
        raise Refused(f"the image is no QCOW2: it begins {head[:16]!r}")
    version, backing_offset = struct.unpack_from(">IQ", head, 4)
    incompatible = struct.unpack_from(">Q", head, 72)[0] if version >= 3 else 0
    if backing_offset:
        raise Refused("the image has a backing file: flatten it with `qemu-img convert`")
    if incompatible & 4:
        raise Refused("the image keeps its data in another file: flatten it first")


async def _ask_qemu(path: Path, expected: str) -> tuple[str, int]:
    """Format and virtual size by `qemu-img info`, which must agree with what was declared."""
    limits = LIMITS if shutil.which("prlimit") else ()
    command = (*limits, "qemu-img", "info", "--output=json", str(path))
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    except FileNotFoundError as missing:
        raise Unavailable("qemu-img is not installed here: install qemu-utils") from missing
    try:
        async with asyncio.timeout(LOOK_S):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        said = err.decode(errors="replace").strip()[-300:].replace(str(path), "the image")
        raise Refused(f"qemu-img cannot read the image: {said}")
    return _agrees(msgspec.json.decode(out), expected)


def _agrees(facts: dict[str, Any], expected: str) -> tuple[str, int]:
    real, size_bytes = str(facts.get("format")), int(facts.get("virtual-size") or 0)
    if real != expected:
        raise Refused(f"the image is {real}, and {expected} was declared")
    more = (facts.get("format-specific") or {}).get("data") or {}
    if facts.get("backing-filename") or facts.get("full-backing-filename"):
        raise Refused("the image has a backing file: flatten it with `qemu-img convert`")
    if more.get("data-file"):
        raise Refused("the image keeps its data in another file: flatten it first")
    if facts.get("encrypted"):
        raise Refused("the image is encrypted: no hypervisor here could read it")
    return real, size_bytes
