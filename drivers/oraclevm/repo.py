"""A storage repository: an NFS export that the hosts mount and that the controller has mounted too.

The agents publish no way to read what is in a repository, so bytes come and go by the controller's
own mount of the same export; what is copied within it is copied by a host, where its agent can.
A path of ours is `server:/export//<place within>`, whatever a host calls its mount point: a guest's
disks are found by it from any host. Our own records lie in `.sagastack` beside Oracle's folders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid5

from drivers.contract.errors import Refused
from drivers.contract.storage import PoolSpec

SPACE = UUID("4d9b7a52-6a0e-4f2c-9a9f-1f0f0a1c8e11")
BETWEEN = "//"
OURS = ".sagastack"
MOUNTED = Path("/proc/self/mounts")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a version's agents expect disks within a repository."""

    disks: str
    suffix: str
    own_folders: bool = False

    def disk(self, repo_id: UUID, volume_id: UUID) -> str:
        """A 2.x guest's definition lies beside its root disk, so each disk has a folder."""
        if self.own_folders:
            return f"{self.disks}/{volume_id}/{repo_id.hex}.{volume_id}{self.suffix}"
        return f"{self.disks}/{volume_id}{self.suffix}"

    def volume(self, within: str) -> UUID | None:
        """The volume of a disk's place, or None if that is no place of ours."""
        name = within.rpartition("/")[2].removesuffix(self.suffix)
        try:
            return UUID(name.rpartition(".")[2])
        except ValueError:
            return None


OVM3 = Layout("VirtualDisks", ".img")
OVM2 = Layout("running_pool", ".raw", own_folders=True)


@dataclass(frozen=True, slots=True)
class Repo:
    """`export` is `server:/export`, `local` where the controller has it."""

    export: str
    local: Path

    @property
    def id(self) -> UUID:
        return repo_id(self.export)

    def path(self, within: str) -> str:
        return f"{self.export}{BETWEEN}{within}"

    def file(self, within: str) -> Path:
        return self.local / within

    def image(self, image_id: UUID, image_format: str) -> str:
        disc = image_format == "iso"
        return f"ISOs/{image_id}.iso" if disc else f"{OURS}/images/{image_id}.img"

    def snapshot(self, snapshot_id: UUID) -> str:
        return f"{OURS}/snapshots/{snapshot_id}.img"

    def config(self, guest_id: UUID) -> str:
        return f"{OURS}/config/{guest_id}.iso"


def repo_id(export: str) -> UUID:
    """What the hosts call the repository: the same on each of them, without a list to keep."""
    return uuid5(SPACE, export)


def split(path: str) -> tuple[str, str]:
    """The export of a path of ours, and the place within. Refused: it is none."""
    export, between, within = path.partition(BETWEEN)
    if not between or ":/" not in export or ".." in within.split("/"):
        raise Refused(f"{path} is no place in a repository: such are server:/export//place")
    return export, within


def export_of(pool: PoolSpec) -> str:
    """`nfs://server/export` as hosts name it. Refused: no such URL."""
    parts = urlsplit(pool.url)
    path = unquote(parts.path).rstrip("/")
    if parts.scheme.lower() not in ("nfs", "networkfilesystem") or not parts.hostname or not path:
        raise Refused(
            f"pool {pool.url} cannot be a repository of these hosts: it must be nfs://server/export"
            " (the agents publish no way to read a repository on a LUN)"
        )
    return f"{parts.hostname}:{path}"


def locate(export: str, chosen: Mapping[str, str]) -> Path:
    """Where the controller has an export: as its settings say, or as it is mounted here."""
    if export in chosen:
        return Path(chosen[export])
    for mounted, folder in _mounts():
        if export == mounted or export.startswith(f"{mounted}/"):
            return Path(folder) / export[len(mounted) :].lstrip("/")
    raise Refused(
        f"this controller does not reach {export}: mount it here (mount -t nfs {export} /mnt/...), "
        "or say where it is in SAGASTACK_DRIVER_ORACLEVM=mounts=server:/export@/folder"
    )


def _mounts() -> list[tuple[str, str]]:
    lines = MOUNTED.read_text().splitlines() if MOUNTED.exists() else []
    fields = [line.split() for line in lines]
    found = [(one[0], one[1]) for one in fields if len(one) > 2 and one[2] in ("nfs", "nfs4")]
    return sorted(found, key=lambda pair: -len(pair[0]))


def chosen_mounts(text: str) -> dict[str, str]:
    """`server:/export@/folder`, one after another with spaces between."""
    pairs = [one.partition("@") for one in text.split()]
    return {export.rstrip("/"): folder for export, _, folder in pairs}
