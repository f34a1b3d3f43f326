"""What a guest is told, as the ISO 9660 disc that lies in its config partition."""

from __future__ import annotations

import hashlib

from drivers.baremetal.partition import CONFIG_BYTES
from drivers.contract.errors import Refused
from drivers.kit import discs

Files = tuple[tuple[str, bytes], ...]


def digest(files: Files) -> str:
    """The same files give the same word; none give none."""
    if not files:
        return ""
    summed = hashlib.sha256()
    for path, content in sorted(files):
        summed.update(f"{len(path)} {path} {len(content)} ".encode() + content)
    return summed.hexdigest()[:24]


def image(files: Files) -> bytes:
    """The disc; zeros if there is nothing to tell, so that nothing old is found there."""
    if not files:
        return bytes(64 * 1024)
    made = discs.image(files)
    if len(made) > CONFIG_BYTES:
        raise Refused(
            f"what the guest is to be told takes {len(made)} bytes, its config partition has "
            f"{CONFIG_BYTES}: shorten its user data"
        )
    return made
