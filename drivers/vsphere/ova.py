"""Appliances (OVA): a tar of a descriptor, perhaps a manifest of digests, and disks.

The format is DMTF's DSP0243 (OVF): the descriptor is the first file; `References` name the files,
`DiskSection` the disks, and `ProductSection` the properties that a guest may be told.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from drivers.contract.errors import Refused

OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
DESCRIPTOR_MAX_BYTES = 4 * 1024**2
DIGEST = re.compile(r"^(SHA1|SHA256|SHA512) ?\((.+)\) ?= ?([0-9a-fA-F]+)\s*$", re.MULTILINE)
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Appliance:
    """What a descriptor says: the files of its disks, in order."""

    descriptor: str
    disks: tuple[str, ...]


def first_disk(path: str, folder: str) -> str:
    """Unpack the one disk of an appliance, checked against its manifest; says where it is."""
    try:
        with tarfile.open(path) as archive:
            members = {one.name: one for one in archive.getmembers() if one.isfile()}
            names = [name for name in members if name.lower().endswith(".ovf")]
            if len(names) != 1:
                raise Refused(f"{path} is no appliance: it holds {len(names)} descriptors (.ovf)")
            appliance = read(_small(archive, members[names[0]]))
            if len(appliance.disks) != 1:
                raise Refused(
                    f"the appliance in {path} has {len(appliance.disks)} disks: one is taken; "
                    "register the others as volumes"
                )
            disk = appliance.disks[0]
            if disk not in members:
                raise Refused(f"the appliance in {path} lacks its file {disk}")
            target = f"{folder}/disk.vmdk"
            digests = _digests(archive, members, names[0])
            _unpack(archive, members[disk], target, digests.get(disk))
            return target
    except (tarfile.TarError, EOFError) as error:
        raise Refused(f"{path} is no appliance: {error}") from error


def read(descriptor: str) -> Appliance:
    """Refused: it is no OVF descriptor."""
    try:
        root = ET.fromstring(descriptor)
    except ET.ParseError as error:
        raise Refused(f"the appliance's descriptor is no XML: {error}") from error
    if root.tag != f"{OVF}Envelope":
        raise Refused(f"the appliance's descriptor is {root.tag!r}, not an OVF 1 Envelope")
    files = {
        one.get(f"{OVF}id", ""): one.get(f"{OVF}href", "")
        for one in root.iterfind(f"{OVF}References/{OVF}File")
    }
    disks = tuple(
        files[ref]
        for one in root.iterfind(f"{OVF}DiskSection/{OVF}Disk")
        if (ref := one.get(f"{OVF}fileRef", "")) in files
    )
    return Appliance(descriptor, disks)


def _small(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    if member.size > DESCRIPTOR_MAX_BYTES:
        raise Refused(f"{member.name} has {member.size} bytes: no descriptor is that large")
    file = archive.extractfile(member)
    assert file is not None
    return file.read().decode("utf-8-sig", errors="replace")


def _digests(
    archive: tarfile.TarFile, members: dict[str, tarfile.TarInfo], descriptor: str
) -> dict[str, tuple[str, str]]:
    """What the manifest says of each file."""
    manifest = members.get(re.sub(r"\.ovf$", ".mf", descriptor, flags=re.IGNORECASE))
    if manifest is None:
        return {}
    found = DIGEST.findall(_small(archive, manifest))
    return {name: (algorithm.lower(), digest.lower()) for algorithm, name, digest in found}


def _unpack(
    archive: tarfile.TarFile, member: tarfile.TarInfo, target: str, wanted: tuple[str, str] | None
) -> None:
    source = archive.extractfile(member)
    assert source is not None
    digest = hashlib.new(wanted[0] if wanted else "sha256")
    with open(target, "wb") as made:
        while piece := source.read(CHUNK_BYTES):
            digest.update(piece)
            made.write(piece)
    if wanted is not None and digest.hexdigest() != wanted[1]:
        raise Refused(
            f"{member.name} of the appliance is damaged: its {wanted[0]} is {digest.hexdigest()}, "
            f"the manifest says {wanted[1]}"
        )
