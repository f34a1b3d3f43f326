"""The place for a config disc at a disk's end: tables that stay true, and images that have none."""

from __future__ import annotations

import struct
from uuid import UUID, uuid4
from zlib import crc32

import pytest

from drivers.baremetal import config_disc, label
from drivers.baremetal.cards import Volume
from drivers.baremetal.partition import CONFIG_BYTES, HEAD_SECTORS, SECTOR, add_config
from drivers.contract.errors import Refused

MIB = 1024**2
LINUX = UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")


def gpt_image(sectors: int) -> bytes:
    """The head of an image with one partition, as the UEFI specification (5.3) has it."""
    entry = struct.pack(
        "<16s16sQQQ72s", LINUX.bytes_le, uuid4().bytes_le, 2048, sectors - 40, 0, b""
    )
    entries = entry.ljust(128 * 128, b"\0")
    fields = (0x10000, 92, 0, 0, 1, sectors - 1, 34, sectors - 34)
    header = b"EFI PART" + struct.pack("<IIIIQQQQ", *fields) + uuid4().bytes_le
    header += struct.pack("<QIII", 2, 128, 128, crc32(entries))
    header = header[:16] + struct.pack("<I", crc32(header)) + header[20:]
    mbr = bytearray(SECTOR)
    mbr[446:462] = struct.pack("<B3sB3sII", 0, b"", 0xEE, b"", 1, sectors - 1)
    mbr[510:] = b"\x55\xaa"
    return bytes(mbr) + header.ljust(SECTOR, b"\0") + entries


def test_a_gpt_gets_a_partition_in_both_of_its_copies() -> None:
    sectors, image_bytes = 200 * MIB // SECTOR, 20 * MIB
    own = uuid4()
    at, writes = add_config(gpt_image(image_bytes // SECTOR), image_bytes, sectors * SECTOR, own)
    assert at % MIB == 0 and image_bytes <= at <= sectors * SECTOR - CONFIG_BYTES - 34 * SECTOR
    disk = bytearray(sectors * SECTOR)
    for where, data in writes:
        disk[where : where + len(data)] = data
    for here in (1, sectors - 1):
        header = bytes(disk[here * SECTOR : here * SECTOR + 92])
        said, mine, other, first, last = struct.unpack_from("<I4xQQQQ", header, 16)
        assert said == crc32(header[:16] + bytes(4) + header[20:])
        assert {mine, other} == {1, sectors - 1} and mine == here
        assert (first, last) == (34, sectors - 34)
        lba, count, size, summed = struct.unpack_from("<QIII", header, 72)
        entries = bytes(disk[lba * SECTOR : lba * SECTOR + count * size])
        assert summed == crc32(entries)
        kinds = struct.unpack_from("<16s16sQQQ72s", entries, size)
        assert (kinds[1], kinds[2], kinds[3]) == (
            own.bytes_le,
            at // SECTOR,
            (at + CONFIG_BYTES) // SECTOR - 1,
        )
        assert kinds[5].decode("utf-16-le").rstrip("\0") == "config-2"
        assert entries[:16] == LINUX.bytes_le, "the image's own partition is there still"
    assert struct.unpack_from("<I", disk, 446 + 12) == (sectors - 1,)


def test_an_mbr_gets_the_first_entry_that_is_free() -> None:
    head = bytearray(HEAD_SECTORS * SECTOR)
    head[446:462] = struct.pack("<B3sB3sII", 0x80, b"", 0x83, b"", 2048, 4096)
    head[510:512] = b"\x55\xaa"
    at, writes = add_config(bytes(head), 4 * MIB, 64 * MIB, uuid4())
    assert [where for where, _ in writes] == [0]
    mbr = writes[0][1]
    assert mbr[446:462] == head[446:462] and mbr[510:512] == b"\x55\xaa"
    assert struct.unpack_from("<4xB3xII", mbr, 462) == (0x83, at // SECTOR, CONFIG_BYTES // SECTOR)
    for number in range(1, 4):
        head[446 + 16 * number + 4] = 0x83
    assert add_config(bytes(head), 4 * MIB, 64 * MIB, uuid4()) == (0, []), "no entry is free"


@pytest.mark.parametrize(("table", "disk_mib"), [(b"\0\0", 64), (b"\x55\xaa", 6)])
def test_without_a_table_or_room_there_is_no_place(table: bytes, disk_mib: int) -> None:
    head = bytearray(HEAD_SECTORS * SECTOR)
    head[510:512] = table
    assert add_config(bytes(head), 4 * MIB, disk_mib * MIB, uuid4()) == (0, [])


def test_what_does_not_fit_its_partition_is_refused() -> None:
    assert b"config-2" in config_disc.image((("openstack/latest/user_data", b"hello"),))
    assert not any(config_disc.image(())), "nothing to tell leaves nothing old"
    with pytest.raises(Refused, match="shorten its user data"):
        config_disc.image((("openstack/latest/user_data", bytes(CONFIG_BYTES)),))


def test_a_label_says_again_what_it_was_told() -> None:
    volume = Volume(
        volume_id=str(uuid4()), size_bytes=7 * MIB, image_id=str(uuid4()), rests=True,
        owner=str(uuid4()), guest_id=str(uuid4()), config="c0ffee", config_at=9 * MIB, whole=True,
    )  # fmt: skip
    written = label.write(volume)
    assert len(written) == label.SIZE_BYTES
    assert label.read(written.rstrip(b"\0").decode()) == volume
    for other in ("", "GRUB", "SAGASTACK-DISK volume=x", "SAGASTACK-DISK size=1"):
        assert label.read(other) is None
