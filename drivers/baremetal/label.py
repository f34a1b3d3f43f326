"""The label on a disk: what a volume is, on the very disk that holds it.

It lies in sectors 2040 and 2041, in the gap that every image of today leaves before its first
partition at 1 MiB. An image that uses those sectors gets no label; its card alone knows it then.
"""

from __future__ import annotations

from pathlib import Path

from drivers.baremetal.cards import Volume

SECTOR = 2040
SIZE_BYTES = 1024
OFFSET_BYTES = SECTOR * 512
MARK = "SAGASTACK-DISK"


def write(volume: Volume) -> bytes:
    parts = {
        "volume": volume.volume_id,
        "size": str(volume.size_bytes),
        "image": volume.image_id,
        "rests": "1" if volume.rests else "",
        "owner": volume.owner,
        "guest": volume.guest_id,
        "config": volume.config,
        "configat": str(volume.config_at) if volume.config_at else "",
    }
    text = " ".join([MARK, *(f"{k}={v}" for k, v in parts.items() if v)])
    return f"{text}\n".encode().ljust(SIZE_BYTES, b"\0")


def read(text: str) -> Volume | None:
    """The volume of a label, or None if it is none of ours."""
    mark, *words = text.split()[:20] or [""]
    parts = dict(word.partition("=")[::2] for word in words)
    if mark != MARK or not parts.get("volume") or not parts.get("size", "").isdigit():
        return None
    return Volume(
        volume_id=parts["volume"],
        size_bytes=int(parts["size"]),
        image_id=parts.get("image", ""),
        rests=parts.get("rests") == "1",
        owner=parts.get("owner", ""),
        guest_id=parts.get("guest", ""),
        config=parts.get("config", ""),
        config_at=int(parts.get("configat") or 0),
        whole=True,
    )


def fits(image: Path) -> bool:
    """Whether an image leaves the label's place free."""
    with image.open("rb") as file:
        file.seek(OFFSET_BYTES)
        return not any(file.read(SIZE_BYTES))
