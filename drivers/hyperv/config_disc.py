"""The disc that tells a guest what its cloud says of it: ISO 9660, made here, sent to its host."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO

from pycdlib.pycdlib import PyCdlib

LABEL = "config-2"


def image(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A disc of these files, whose names are kept by Rock Ridge and Joliet."""
    disc, made = PyCdlib(), BytesIO()
    disc.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL)
    known: dict[tuple[str, ...], str] = {(): ""}
    for number, (path, content) in enumerate(files):
        words = tuple(path.split("/"))
        for depth in range(1, len(words)):
            above = words[:depth]
            if above not in known:
                known[above] = f"{known[above[:-1]]}/D{len(known)}"
                joliet = "/" + "/".join(above)
                disc.add_directory(known[above], rr_name=above[-1], joliet_path=joliet)
        disc.add_fp(
            BytesIO(content),
            len(content),
            f"{known[words[:-1]]}/F{number}.;1",
            rr_name=words[-1],
            joliet_path=f"/{path}",
        )
    disc.write_fp(made)
    disc.close()
    return made.getvalue()
