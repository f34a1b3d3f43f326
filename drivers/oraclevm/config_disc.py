"""The disc that tells a guest what its cloud says of it: ISO 9660 with Joliet and Rock Ridge."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO

from pycdlib.pycdlib import PyCdlib

LABEL = "config-2"


def image(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A disc of these files, by their paths; whoever reads it finds their names."""
    disc, made = PyCdlib(), BytesIO()
    disc.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL)
    plain = {"": ""}
    for number, (path, content) in enumerate(files):
        *above, name = path.split("/")
        for depth, folder in enumerate(above, start=1):
            whole = "/".join(above[:depth])
            if whole not in plain:
                plain[whole] = f"{plain['/'.join(above[: depth - 1])]}/D{len(plain)}"
                disc.add_directory(plain[whole], rr_name=folder, joliet_path=f"/{whole}")
        disc.add_fp(
            BytesIO(content),
            len(content),
            f"{plain['/'.join(above)]}/F{number}.;1",
            rr_name=name,
            joliet_path=f"/{path}",
        )
    disc.write_fp(made)
    disc.close()
    return made.getvalue()
