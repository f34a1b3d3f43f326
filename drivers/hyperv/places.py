"""Where things lie in a pool's folder. Names come from ids and never from users.

`disks` finished disks, `images` each template's image once, `snapshots` what was kept of disks,
`kept` a folder for each snapshot of a whole guest, `incoming` what is being written, `machines` a
folder for each guest, `notes` empty files whose names say what a disk that cannot be renamed (a
guest has it open) is called. Where disks rest on others all folders are equally deep, so that the
relative path by which a differencing disk finds its parent stays true when it is moved.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ntpath import basename, dirname
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

from drivers.contract.errors import Refused
from drivers.contract.storage import PoolSpec

FOLDERS = ("disks", "images", "snapshots", "kept", "incoming", "machines", "notes")
LEAF = re.compile(r"(_[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})+\.avhdx$")
DRIVE = re.compile(r"/[A-Za-z]:(/.*)?")
UNFIT = set('<>:"|?*')
# A note's kinds: a stranger's file is a disk of ours; a file of ours is nobody's; an image is
# needed by a disk of another pool; a disk is on its way and not whole yet; a guest goes back to a
# snapshot with its memory.
OURS, NOBODYS, NEEDED, MOVING, BACK = "ours", "nobodys", "needed", "moving", "back"


@dataclass(frozen=True, slots=True)
class Place:
    """A pool's folder on its hosts."""

    folder: str
    is_share: bool

    def disk(self, volume_id: UUID) -> str:
        return f"{self.folder}\\disks\\{volume_id}.vhdx"

    def snapshot(self, snapshot_id: UUID) -> str:
        return f"{self.folder}\\snapshots\\{snapshot_id}.vhdx"

    def kept(self, snapshot_id: UUID) -> str:
        return f"{self.folder}\\kept\\{snapshot_id}"

    def image(self, image_id: UUID, image_format: str) -> str:
        ending = "iso" if image_format == "iso" else "vhdx"
        return f"{self.folder}\\images\\{image_id}.{ending}"

    def incoming(self, name: object, ending: str = "vhdx") -> str:
        """A new name each time: what a lost call left there is swept, and is in nobody's way."""
        return f"{self.folder}\\incoming\\{name}.{uuid4().hex[:12]}.{ending}"

    def inside(self, name: str) -> str:
        return f"{self.folder}\\{name}"

    def note(self, kind: str, *words: object) -> str:
        return f"{self.folder}\\notes\\{'='.join((kind, *map(str, words)))}"

    @property
    def root(self) -> str:
        """The share, or the drive."""
        parts = self.folder.split("\\")
        return "\\".join(parts[:4]) if self.is_share else parts[0] + "\\"


def place_around(path: str) -> Place:
    """The pool of one of its disks."""
    return Place(folder_above(path), is_share=path.startswith("\\\\"))


def place_of(pool: PoolSpec) -> Place:
    """Refused: a URL that no Hyper-V host can open."""
    parts = urlsplit(pool.url)
    path = unquote(parts.path).rstrip("/")
    words = [word for word in path.split("/") if word]
    if set(path) & UNFIT - {":"} or "\\" in path or ".." in words:
        raise Refused(f"the pool's URL {pool.url!r} has a path that Windows does not allow")
    if parts.scheme == "smb" and parts.hostname and words:
        if parts.username or parts.password:
            raise Refused(
                f"the pool's URL {parts.scheme}://{parts.hostname} bears a password: give the "
                "hosts' computer accounts the right to the share instead"
            )
        if ":" not in path:
            return Place("\\".join(["", "", parts.hostname, *words]), is_share=True)
    if parts.scheme == "file" and not parts.netloc and DRIVE.fullmatch(path or "/"):
        return Place("\\".join(words), is_share=False)
    raise Refused(
        f"{pool.url!r} is no pool for Hyper-V hosts: write smb://server/share/folder or "
        "file:///C:/folder (a cluster's shared volume is file:///C:/ClusterStorage/...)"
    )


def settled(path: str) -> str:
    """The disk itself, where a checkpoint has put a differencing disk over it for a while."""
    return LEAF.sub(".vhdx", path)


def id_in(path: str) -> UUID | None:
    """The id that a file is named by."""
    try:
        return UUID(basename(settled(path)).rsplit(".", 1)[0])
    except ValueError:
        return None


def folder_above(path: str) -> str:
    """The pool's folder of one of its disks: strangers lie in the folder itself."""
    above = dirname(path)
    return dirname(above) if basename(above).lower() in FOLDERS else above


def same(one: str, other: str) -> bool:
    return one.lower() == other.lower()
