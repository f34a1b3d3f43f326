"""The disc that tells a guest what its cloud says of it: ISO 9660, as cloud-init looks for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO

from pycdlib.pycdlib import PyCdlib

LABEL = "config-2"


def image(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A disc of these files. Rock Ridge and Joliet keep their names, whoever reads it."""
    disc, made = PyCdlib(), BytesIO()
    disc.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL)
    folders: dict[str, str] = {"": ""}
    for number, (path, content) in enumerate(files):
        *above, name = path.split("/")
        inside = _folder(disc, folders, above)
        disc.add_fp(
            BytesIO(content),
            len(content),
            f"{inside}/F{number}.;1",
            rr_name=name,
            joliet_path=f"/{path}",
        )
    disc.write_fp(made)
    disc.close()
    return made.getvalue()


def _folder(disc: PyCdlib, folders: dict[str, str], names: list[str]) -> str:
    """The plain ISO 9660 name of a folder, which is made with all above it."""
    for depth, path in enumerate(_paths(names)):
        if path not in folders:
            above = folders["/".join(names[:depth])]
            folders[path] = f"{above}/D{len(folders)}"
            disc.add_directory(folders[path], rr_name=names[depth], joliet_path=f"/{path}")
    return folders["/".join(names)]


def _paths(names: list[str]) -> Iterator[str]:
    return ("/".join(names[: depth + 1]) for depth in range(len(names)))
