"""Appliances (OVA): a tar of a descriptor, perhaps a manifest of digests, and disks.

The format is DMTF's DSP0243 (OVF): the descriptor is the first file, `References` name the files
and `DiskSection` the disks; the order of disks is that of the virtual hardware. It comes from a
stranger: the descriptor may declare no entities, and no disk may be another file's shadow.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO
from xml.parsers import expat

from drivers.contract.errors import Refused
from drivers.kit import tar
from drivers.kit.tar import Member

DESCRIPTOR_BYTES_MAX = 4 * 1024**2
NODES_MAX, DEPTH_MAX = 50_000, 64
DISKS_MAX = 15
CHUNK_BYTES = 1 << 20
SECTOR_BYTES = 512
SPACES = ("http://schemas.dmtf.org/ovf/envelope/1", "http://schemas.dmtf.org/ovf/envelope/2")
VMWARE = "http://www.vmware.com/schema/ovf"
SUM = re.compile(r"^(SHA1|SHA256|SHA384|SHA512) ?\((.+)\) ?= ?([0-9a-fA-F]+)\s*$", re.MULTILINE)
UNITS = {"byte": 1, "kilobytes": 2**10, "megabytes": 2**20, "gigabytes": 2**30, "terabytes": 2**40}
UNIT = re.compile(r"(?:byte|bytes)?\s*(?:\*\s*)?2\s*\^\s*([0-9]{1,2})", re.IGNORECASE)
DISK, SCSI = "17", "6"


@dataclass(slots=True)
class Node:
    """An element. Names are without their space, but that of VMware's attributes is `vmw:`."""

    name: str
    space: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def get(self, name: str, default: str = "") -> str:
        return self.attributes.get(name, default)

    def all(self, *names: str) -> Iterator[Node]:
        """The elements at the end of a path of names."""
        for one in self.children:
            if one.name == names[0]:
                if len(names) == 1:
                    yield one
                else:
                    yield from one.all(*names[1:])

    def of(self, *names: str) -> str:
        """The text at the end of a path; empty if there is none."""
        return next((one.text.strip() for one in self.all(*names)), "")

    def below(self, name: str) -> Iterator[Node]:
        """Those of a name, however deep, in order."""
        for one in self.children:
            if one.name == name:
                yield one
            yield from one.below(name)


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk of an appliance; one without a file is blank."""

    id: str
    size_bytes: int
    file: Member | None = None


@dataclass(frozen=True, slots=True)
class Package:
    """What was read of an appliance. `sums` are the manifest's, by the names of files."""

    root: Node
    disks: tuple[Disk, ...]
    members: tuple[Member, ...]
    sums: dict[str, tuple[str, str]]

    @property
    def size_bytes(self) -> int:
        return sum(one.size_bytes for one in self.disks)


def read(path: str) -> Package:
    """Refused: it is no appliance, or one that could do harm or lacks something."""
    with open(path, "rb") as file:
        members = _named(path, file)
        texts = [one for one in members if one.name.lower().endswith(".ovf")]
        if len(texts) != 1:
            raise Refused(f"the image is no OVA: it holds {len(texts)} descriptors (.ovf)")
        root = parse(_small(file, texts[0]))
        by_name = {one.name: one for one in members}
        sums = _manifest(file, texts[0], by_name)
        disks = tuple(_disks(root, by_name, file))
    if not disks or disks[0].file is None:
        raise Refused(
            "the image is no OVA: no descriptor in it declares a disk to start from"
            if not disks
            else f"the first disk of the appliance, {disks[0].id}, is blank: nothing can start"
        )
    names = [one.file.name for one in disks if one.file is not None]
    if lacking := [name for name in names if sums and name not in sums]:
        raise Refused(f"the manifest of the appliance has no sum of {lacking[0]}: pack it anew")
    return Package(root, disks, tuple(members), sums)


def verify(path: str, package: Package) -> None:
    """Refused: a file is not what the manifest says."""
    with open(path, "rb") as file:
        for one in package.members:
            if one.name in package.sums:
                _copied(file, one, None, package.sums[one.name])


def extract(path: str, part: int, target: str) -> None:
    """Write one of the disks to `target`, checked against the manifest."""
    package = read(path)
    if not 0 <= part < len(package.disks) or (member := package.disks[part].file) is None:
        raise Refused(f"the appliance has no disk {part} to be copied: register it anew")
    with open(path, "rb") as file, open(target, "wb") as made:
        _copied(file, member, made, package.sums.get(member.name))


def parse(text: bytes) -> Node:
    """The descriptor. Refused: it is no OVF, or it declares what an XML parser would expand."""
    reader = _Reader()
    try:
        reader.parser.Parse(text, True)
    except expat.ExpatError as error:
        raise Refused(f"the appliance's descriptor is no XML: {error}") from error
    root = reader.top.children[0]
    if root.name != "Envelope" or root.space not in SPACES:
        raise Refused(f"the appliance's descriptor is {root.name!r}, not an OVF Envelope")
    return root


class _Reader:
    """Builds nodes. A document type is refused at its first word, before any entity is known."""

    def __init__(self) -> None:
        self.top, self.count = Node(""), 0
        self.stack = [self.top]
        self.parser = expat.ParserCreate(namespace_separator="\n")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self.doctype
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters

    def doctype(self, *_: object) -> None:
        raise Refused(
            "the appliance's descriptor declares a document type: no appliance needs one, and "
            "entities are not expanded; take the DOCTYPE out"
        )

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.count += 1
        if self.count > NODES_MAX or len(self.stack) > DEPTH_MAX:
            raise Refused("the appliance's descriptor is larger than any that is one")
        space, _, plain = name.rpartition("\n")
        node = Node(plain, space, {_attribute(key): value for key, value in attributes.items()})
        self.stack[-1].children.append(node)
        self.stack.append(node)

    def end(self, _: str) -> None:
        self.stack.pop()

    def characters(self, text: str) -> None:
        self.stack[-1].text += text


def _attribute(key: str) -> str:
    space, _, plain = key.rpartition("\n")
    return f"vmw:{plain}" if space == VMWARE else plain


def _named(path: str, file: BinaryIO) -> list[Member]:
    try:
        return tar.index(file)
    except Refused as error:
        raise Refused(f"the image is no OVA: {error}") from error


def _small(file: BinaryIO, member: Member) -> bytes:
    if member.size_bytes > DESCRIPTOR_BYTES_MAX:
        raise Refused(f"{member.name} has {member.size_bytes} bytes: no descriptor is that large")
    file.seek(member.offset)
    return file.read(member.size_bytes)


def _manifest(
    file: BinaryIO, descriptor: Member, members: dict[str, Member]
) -> dict[str, tuple[str, str]]:
    found = members.get(re.sub(r"\.ovf$", ".mf", descriptor.name, flags=re.IGNORECASE))
    if found is None:
        return {}
    text = _small(file, found).decode("utf-8-sig", errors="replace")
    sums = {name: (how.lower(), digest.lower()) for how, name, digest in SUM.findall(text)}
    if not sums:
        raise Refused(f"the manifest of the appliance, {found.name}, has no sums: pack it anew")
    for name in sums:
        if name not in members:
            raise Refused(f"the appliance lacks its file {name}, which its manifest names")
    return sums


def _disks(root: Node, members: dict[str, Member], file: BinaryIO) -> Iterator[Disk]:
    files = {one.get("id"): one for one in root.all("References", "File")}
    sections = [one for one in root.children if one.name in ("DiskSection", "Section")]
    found = {one.get("diskId"): one for section in sections for one in section.all("Disk")}
    if len(found) > DISKS_MAX:
        raise Refused(f"the appliance has {len(found)} disks: a guest has {DISKS_MAX} at most")
    for disk_id in ordered(root, list(found)):
        disk = found[disk_id]
        if disk.get("parentRef"):
            raise Refused(f"disk {disk_id} of the appliance rests on another: pack it flattened")
        if not (ref := disk.get("fileRef")):
            yield Disk(disk_id, _declared(disk, disk_id))
            continue
        listed = files.get(ref)
        name = "" if listed is None else listed.get("href").removeprefix("./")
        if listed is None or name not in members:
            raise Refused(f"the appliance lacks its file {name or ref}, the disk {disk_id}")
        if listed.get("compression") not in ("", "identity") or listed.get("chunkSize"):
            raise Refused(f"{name} in the appliance is compressed or in pieces: pack it whole")
        yield Disk(disk_id, _of_vmdk(file, members[name]), members[name])


def ordered(root: Node, disks: list[str]) -> list[str]:
    """As the hardware has them: by controller, then by place on it; the others behind."""
    items = [one for one in root.below("Item") if not one.get("configuration")]
    items += list(root.below("StorageItem"))
    buses = [one.of("InstanceID") for one in items if one.of("ResourceType") != DISK]
    places: dict[str, tuple[int, int, int]] = {}
    for number, one in enumerate(items):
        disk = one.of("HostResource").rpartition("/")[2]
        if one.of("ResourceType") == DISK and disk in disks:
            bus = one.of("Parent")
            at = buses.index(bus) if bus in buses else len(buses)
            slot = one.of("AddressOnParent")
            places.setdefault(
                disk, (at, int(slot) if re.fullmatch("[0-9]{1,9}", slot) else 0, number)
            )
    last = (len(items) + 1, 0, 0)
    return sorted(disks, key=lambda one: places.get(one, last))


def _declared(disk: Node, disk_id: str) -> int:
    """What a descriptor says of a disk's size."""
    said, unit = disk.get("capacity"), disk.get("capacityAllocationUnits", "byte").strip()
    power = UNIT.fullmatch(unit)
    factor = 2 ** int(power[1]) if power else UNITS.get(unit.lower().rstrip(), 0)
    if not re.fullmatch(r"[0-9]{1,18}", said) or not int(said) * factor:
        raise Refused(f"disk {disk_id} of the appliance has no size: {said!r} {unit!r}")
    return int(said) * factor


def _of_vmdk(file: BinaryIO, member: Member) -> int:
    """The size by the disk's own header (VMware's Virtual Disk Format 5.0).

    A text descriptor, or a header without a capacity, only names other files.
    """
    file.seek(member.offset)
    head = file.read(min(SECTOR_BYTES, member.size_bytes))
    sectors = struct.unpack_from("<Q", head, 12)[0] if len(head) == SECTOR_BYTES else 0
    if head[:4] != b"KDMV" or not sectors:
        raise Refused(f"{member.name} in the appliance is no VMDK that holds its own data")
    return int(sectors) * SECTOR_BYTES


def _copied(
    file: BinaryIO, member: Member, made: BinaryIO | None, wanted: tuple[str, str] | None
) -> None:
    digest = hashlib.new(wanted[0] if wanted else "sha256")
    file.seek(member.offset)
    left = member.size_bytes
    while left:
        piece = file.read(min(CHUNK_BYTES, left))
        if not piece:
            raise Refused(f"the appliance ends within {member.name}")
        left -= len(piece)
        digest.update(piece)
        if made is not None:
            made.write(piece)
    if wanted is not None and digest.hexdigest() != wanted[1]:
        raise Refused(
            f"{member.name} of the appliance is damaged: its {wanted[0]} is {digest.hexdigest()}, "
            f"the manifest says {wanted[1]}; get it anew"
        )
