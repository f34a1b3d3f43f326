"""An index of a tar file that a stranger made: plain files by their names, and where they lie.

The format is POSIX's ustar and pax (IEEE Std 1003.1, "pax Interchange Format") with GNU's long
names. Nothing is unpacked. Whatever could name something outside (a link, a device, a path that
climbs) and whatever would have to be held in memory is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO

from drivers.contract.errors import Refused

BLOCK = 512
EXTENSION_BYTES_MAX = 64 * 1024
MEMBERS_MAX = 1024
SHORT = re.compile(rb"[0-9]{1,6}")
LONG = re.compile(r"[0-9]{1,15}")
FILES = (b"\0", b"0", b"7")
FOLDER, LONG_NAME, PAX, PAX_ALL = b"5", b"L", b"x", b"g"


@dataclass(frozen=True, slots=True)
class Member:
    """A file in it: its bytes begin at `offset`."""

    name: str
    offset: int
    size_bytes: int


def index(file: BinaryIO) -> list[Member]:
    """Every plain file, in order. Refused: it is no tar, or one that cannot be trusted."""
    end = file.seek(0, 2)
    at, found, names = 0, list[Member](), set[str]()
    said: dict[str, str] = {}
    while (block := _block(file, at)) is not None:
        kind, size = block[156:157], _number(block[124:136])
        if kind in (PAX, PAX_ALL, LONG_NAME):
            at += BLOCK
            if size > EXTENSION_BYTES_MAX:
                raise Refused("a name in the tar is too long to be one")
            file.seek(at)
            data = file.read(size)
            said |= {"path": _text(data)} if kind == LONG_NAME else _pax(data, kind == PAX)
            at += _whole(size)
            continue
        name = said.get("path") or _name(block)
        size = _said_size(said, size)
        said = {}
        at += BLOCK
        if kind in FILES:
            found.append(Member(_plain(name), at, size))
            if name in names:
                raise Refused(f"the tar holds {name!r} twice")
            names.add(name)
            if at + size > end:
                raise Refused(f"the tar ends within {name!r}: it was cut off")
        elif kind != FOLDER:
            raise Refused(f"{name!r} in the tar is no plain file: links and devices are not taken")
        if len(found) > MEMBERS_MAX:
            raise Refused(f"the tar holds more than {MEMBERS_MAX} files")
        at += _whole(size)
    return found


def _block(file: BinaryIO, at: int) -> bytes | None:
    """A header, whose sum is checked; None at the end."""
    file.seek(at)
    block = file.read(BLOCK)
    if len(block) < BLOCK:
        if at == 0 or block:
            raise Refused("it is no tar")
        return None
    if not any(block):
        return None
    plain = block[:148] + b" " * 8 + block[156:]
    if _number(block[148:156]) != sum(plain):
        raise Refused("it is no tar" if at == 0 else "the tar is damaged: a header has a wrong sum")
    return block


def _number(field: bytes) -> int:
    """Octal digits, or GNU's binary for what they cannot say."""
    if field[0] & 0x80:
        value = int.from_bytes(field[1:], "big")
        if field[0] != 0x80 or value >= 2**62:
            raise Refused("the tar is damaged: a size in it is none")
        return value
    text = field.split(b"\0", 1)[0].strip()
    if text.strip(b"01234567"):
        raise Refused("it is no tar: a number in it is none")
    return int(text or b"0", 8)


def _said_size(said: dict[str, str], size_bytes: int) -> int:
    """What an extension says of a file's size, which the header may have no room for."""
    if (told := said.get("size")) is None:
        return size_bytes
    if not LONG.fullmatch(told):
        raise Refused("the tar is damaged: a size in it is none")
    return int(told)


def _name(block: bytes) -> str:
    name = _text(block[:100])
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode("utf-8", errors="replace")


def _pax(data: bytes, counts: bool) -> dict[str, str]:
    """`<length> <key>=<value>` lines. What is said of every file is of no use here."""
    said = {}
    while data:
        length = data.partition(b" ")[0]
        if not SHORT.fullmatch(length) or not len(length) + 2 < int(length) <= len(data):
            raise Refused("the tar is damaged: what it says of a file cannot be read")
        key, _, value = data[len(length) + 1 : int(length) - 1].partition(b"=")
        said[key.decode(errors="replace")] = value.decode(errors="replace")
        data = data[int(length) :]
    if any(key.startswith("GNU.sparse") for key in said):
        raise Refused("a file in the tar has holes: pack it with plain files")
    return said if counts else {}


def _plain(name: str) -> str:
    """A relative name that stays inside. Refused: it climbs out."""
    parts = name.removeprefix("./").split("/")
    if not name or name.startswith("/") or "\\" in name or {"..", ".", ""} & set(parts):
        raise Refused(f"{name!r} in the tar leads out of it: no such file is taken")
    return "/".join(parts)


def _whole(size_bytes: int) -> int:
    return -(-size_bytes // BLOCK) * BLOCK
