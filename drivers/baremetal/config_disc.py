"""What a guest is told, as the ISO 9660 disc that lies in its config partition."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from io import BytesIO

from pycdlib.pycdlib import PyCdlib

from drivers.baremetal.partition import CONFIG_BYTES
from drivers.contract.errors import Refused

Files = tuple[tuple[str, bytes], ...]
LABEL = "config-2"


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
    disc, made, known = PyCdlib(), BytesIO(), {""}
    disc.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL)
    inside = {"": ""}
    for number, (path, content) in enumerate(files):
        folder = path.rpartition("/")[0]
        for one in _above(folder):
            if one not in known:
                inside[one] = f"{inside[one.rpartition('/')[0]]}/D{len(known)}"
                disc.add_directory(
                    inside[one], rr_name=one.rpartition("/")[2], joliet_path=f"/{one}"
                )
                known.add(one)
        disc.add_fp(
            BytesIO(content),
            len(content),
            f"{inside[folder]}/F{number}.;1",
            rr_name=path.rpartition("/")[2],
            joliet_path=f"/{path}",
        )
    disc.write_fp(made)
    disc.close()
    if made.tell() > CONFIG_BYTES:
        raise Refused(
            f"what the guest is to be told takes {made.tell()} bytes, its config partition has "
            f"{CONFIG_BYTES}: shorten its user data"
        )
    return made.getvalue()


def _above(folder: str) -> Iterable[str]:
    parts = folder.split("/") if folder else []
    return ("/".join(parts[: n + 1]) for n in range(len(parts)))
