"""Storages of Proxmox VE as pools: `proxmox://CLUSTER/STORAGE`, which holds disk images.

What stands for the cluster tells people, and the controller, storages of one name apart.

Images and discs are files, which not every storage takes: they go to the pool's own storage if it
does, else to the first that does, rather a shared one.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from cluster import Cluster
from failures import Missing, Refused, Unavailable
from line import part

Said = dict[str, Any]
FILE_BASED = ("dir", "nfs", "cifs", "cephfs", "glusterfs", "btrfs")
IMPORTED = {"qcow2": b"QFI\xfb", "vmdk": None, "raw": None}
CHUNK_BYTES = 1 << 20
CONVERT_S = 4 * 3600


class Pools:
    """The storages of one node."""

    def __init__(self, cluster: Cluster, node: str) -> None:
        self.cluster, self.line, self.node = cluster, cluster.line, node

    def storage(self, pool: Said) -> str:
        parts = urlsplit(pool["url"])
        name = unquote(parts.path.strip("/"))
        if parts.scheme != "proxmox" or not name or "/" in name:
            raise Refused(f"{pool['url']} is no storage: such are proxmox://CLUSTER/STORAGE")
        return name

    def open(self, pool: Said) -> Said:
        """Refused: it is no place for disks."""
        name = self.storage(pool)
        try:
            found: Said = self.line.get(f"/nodes/{self.node}/storage/{part(name)}/status")
        except Missing as error:
            raise Refused(f"{self.node} has no storage {name}: {error}") from error
        if "images" not in found["content"].split(","):
            raise Refused(
                f"storage {name} holds {found['content']}, no disk images: allow them at "
                "Datacenter, Storage"
            )
        if not found["active"]:
            raise Unavailable(f"storage {name} is not active on {self.node}")
        self.files(name, "import")
        return {"capacity_bytes": found["total"], "used_bytes": found["used"]}

    def files(self, storage: str, content: str) -> str:
        """Where files of a kind go."""
        found = self.line.get(f"/nodes/{self.node}/storage", content=content, enabled=True)
        able = [one for one in found if one["active"]]
        able.sort(key=lambda one: (one["storage"] != storage, not one["shared"], one["storage"]))
        if not able:
            raise Refused(
                f"no storage of {self.node} takes files of the kind {content!r}: allow it for one "
                "at Datacenter, Storage"
            )
        return str(able[0]["storage"])

    def type_of(self, storage: str) -> str:
        found = self.line.get(f"/nodes/{self.node}/storage/{part(storage)}/status")
        return str(found["type"])

    def content(self, storage: str, content: str) -> list[Said]:
        path = f"/nodes/{self.node}/storage/{part(storage)}/content"
        found: list[Said] = self.line.get(path, content=content)
        return found

    def upload(self, storage: str, content: str, name: str, path: str | bytes) -> str:
        """A file of this name; one that is there is replaced. Answers with its volume."""
        size = len(path) if isinstance(path, bytes) else os.stat(path).st_size
        chunks = iter([path]) if isinstance(path, bytes) else _chunks(path)
        where = f"/nodes/{self.node}/storage/{part(storage)}/upload"
        self.cluster.wait(self.line.upload(where, {"content": content}, name, chunks, size))
        return f"{storage}:{content}/{name}"

    def drop(self, volume: str) -> None:
        """Gone already is success."""
        storage = volume.split(":")[0]
        path = f"/nodes/{self.node}/storage/{part(storage)}/content/{part(volume)}"
        try:
            self.cluster.wait(self.line.delete(path))
        except Missing:
            return

    # Images.

    def image_name(self, pool: Said, image_id: str, image_format: str) -> str:
        return f"sagastack-{image_id}.{self.storage(pool)}.{image_format}"

    def keep(self, pool: Said, image: Said) -> str:
        """An image or a disc in the pool's place for files; one that was cut short goes again."""
        form = image["image_format"]
        content = "iso" if form == "iso" else "import"
        if content == "import":
            demand_image(image)
        name = self.image_name(pool, image["image_id"], form)
        storage = self.files(self.storage(pool), content)
        with self.cluster.alone(name):
            size = os.stat(image["path"]).st_size
            for one in self.content(storage, content):
                if one["volid"] == f"{storage}:{content}/{name}" and one["size"] == size:
                    return str(one["volid"])
            return self.upload(storage, content, name, image["path"])

    def images(self, pool: Said) -> dict[str, list[str]]:
        """Volumes by the id of their image."""
        found: dict[str, list[str]] = {}
        for content in ("import", "iso"):
            storage = self.files(self.storage(pool), content)
            for one in self.content(storage, content):
                name = one["volid"].split("/")[-1]
                ours, _, rest = name.partition("-")
                if ours == "sagastack" and f".{self.storage(pool)}." in rest:
                    found.setdefault(rest.split(".")[0], []).append(one["volid"])
        return found


def demand_image(image: Said) -> None:
    """Refused: it is not what it claims to be."""
    form = image["image_format"]
    if form not in IMPORTED:
        raise Refused(f"an image of {form!r}: Proxmox VE imports {', '.join(IMPORTED)}")
    if (magic := IMPORTED[form]) is not None:
        with open(image["path"], "rb") as file:
            if file.read(len(magic)) != magic:
                raise Refused(f"image {image['image_id']} is no {form}")


@contextmanager
def importable(image: Said) -> Iterator[Said]:
    """The image in a format that Proxmox VE imports, converted here if it must be."""
    if image["image_format"] in IMPORTED:
        yield image
        return
    with tempfile.TemporaryDirectory(prefix="sagastack-proxmox-") as folder:
        target = str(Path(folder) / "image.qcow2")
        source = {"vhd": "vpc"}.get(image["image_format"], image["image_format"])
        words = ["qemu-img", "convert", "-f", source, "-O", "qcow2", image["path"], target]
        done = subprocess.run(words, capture_output=True, text=True, timeout=CONVERT_S, check=False)
        if done.returncode:
            raise Refused(f"image {image['image_id']}: {done.stderr.strip()}")
        yield image | {"path": target, "image_format": "qcow2"}


def _chunks(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while data := file.read(CHUNK_BYTES):
            yield data
