"""The disc that tells a guest what its cloud says of it: ISO 9660, labelled `config-2`.

XAPI puts discs into drives only from an ISO library, so this one is a small read-only disk of its
own, which cloud-init finds by its label all the same. It is scratch: written anew at every start,
and gone with its guest.
"""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO

from pycdlib.pycdlib import PyCdlib

LABEL = "config-2"


def image(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A disc of these files. Rock Ridge and Joliet keep their names, whoever reads it."""
    disc, made = PyCdlib(), BytesIO()
    disc.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL)
    plain: dict[str, str] = {"": ""}
    for number, (path, content) in enumerate(files):
        folder, _, name = path.rpartition("/")
        _make_folders(disc, plain, folder)
        disc.add_fp(
            BytesIO(content),
            len(content),
            f"{plain[folder]}/F{number}.;1",
            rr_name=name,
            joliet_path=f"/{path}",
        )
    disc.write_fp(made)
    disc.close()
    return made.getvalue()


def _make_folders(disc: PyCdlib, plain: dict[str, str], folder: str) -> None:
    """A folder and all above it, each under a plain name that ISO 9660 allows."""
    if folder in plain:
        return
    above, _, name = folder.rpartition("/")
    _make_folders(disc, plain, above)
    plain[folder] = f"{plain[above]}/D{len(plain)}"
    disc.add_directory(plain[folder], rr_name=name, joliet_path=f"/{folder}")
