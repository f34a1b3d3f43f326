"""A place for a config disc at the end of a disk that an image was written to.

A machine has no drive to put a disc into, so the disc lies in a small partition, where cloud-init
finds it by its label. It is made with the disk, before the image's own system can grow over that
place. Tables are those of the UEFI specification, chapter 5: MBR and GPT.
"""

from __future__ import annotations

import struct
from uuid import UUID
from zlib import crc32

SECTOR = 512
HEAD_SECTORS = 34
CONFIG_BYTES = 4 * 1024**2
ALIGN = 2048
BASIC_DATA = UUID("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7")
NAME = "config-2"
Writes = list[tuple[int, bytes]]


def add_config(head: bytes, image_bytes: int, disk_bytes: int, own_id: UUID) -> tuple[int, Writes]:
    """Where the config partition begins, and what to write where (in bytes) so that it is there.

    `head` are the image's first sectors. (0, []) if it has no table of partitions or the disk has
    no room behind the image. `own_id` is what the partition is called in a GPT.
    """
    sectors = disk_bytes // SECTOR
    first = (sectors - ALIGN - CONFIG_BYTES // SECTOR) // ALIGN * ALIGN
    if len(head) < HEAD_SECTORS * SECTOR or head[510:512] != b"\x55\xaa":
        return 0, []
    if first * SECTOR < image_bytes or first <= ALIGN:
        return 0, []
    if head[SECTOR : SECTOR + 8] == b"EFI PART":
        return _in_gpt(head, sectors, first, own_id)
    return _in_mbr(head, first)


def _in_mbr(head: bytes, first: int) -> tuple[int, Writes]:
    for number in range(4):
        at = 446 + 16 * number
        if head[at + 4] == 0:
            entry = struct.pack(
                "<B3sB3sII",
                0,
                b"\xfe\xff\xff",
                0x83,
                b"\xfe\xff\xff",
                first,
                CONFIG_BYTES // SECTOR,
            )
            return first * SECTOR, [(0, head[:at] + entry + head[at + 16 : SECTOR])]
    return 0, []


def _in_gpt(head: bytes, sectors: int, first: int, own_id: UUID) -> tuple[int, Writes]:
    """One entry more, both headers with it, and the second one where it belongs: at the end."""
    header = bytearray(head[SECTOR : SECTOR + 92])
    entries_at, count, size = struct.unpack_from("<QII", header, 72)
    if entries_at != 2 or count * size != 32 * SECTOR or size < 128:
        return 0, []
    entries = bytearray(head[2 * SECTOR : HEAD_SECTORS * SECTOR])
    free = next((n for n in range(count) if not any(entries[n * size : n * size + 16])), None)
    if free is None:
        return 0, []
    last = first + CONFIG_BYTES // SECTOR - 1
    entries[free * size : free * size + 128] = struct.pack(
        "<16s16sQQQ72s",
        *(BASIC_DATA.bytes_le, own_id.bytes_le, first, last, 0),
        NAME.encode("utf-16-le").ljust(72, b"\0"),
    )
    main = _header(header, here=1, there=sectors - 1, sectors=sectors, at=2, entries=entries)
    spare_at = sectors - 33
    spare = _header(
        header, here=sectors - 1, there=1, sectors=sectors, at=spare_at, entries=entries
    )
    protective = bytearray(head[:SECTOR])
    struct.pack_into("<I", protective, 446 + 12, min(sectors - 1, 0xFFFFFFFF))
    return first * SECTOR, [
        (0, bytes(protective) + main + bytes(entries)),
        (spare_at * SECTOR, bytes(entries) + spare),
    ]


def _header(
    header: bytearray, *, here: int, there: int, sectors: int, at: int, entries: bytearray
) -> bytes:
    made = bytearray(header)
    struct.pack_into("<QQQQ", made, 24, here, there, HEAD_SECTORS, sectors - HEAD_SECTORS)
    struct.pack_into("<Q", made, 72, at)
    struct.pack_into("<I", made, 88, crc32(entries))
    struct.pack_into("<I", made, 16, 0)
    struct.pack_into("<I", made, 16, crc32(made))
    return bytes(made).ljust(SECTOR, b"\0")
