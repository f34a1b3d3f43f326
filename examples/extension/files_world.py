#!/usr/bin/env python3
"""A hypervisor of files: the whole of an extension, with nothing but Python's own library.

A host is a folder (`external:///var/lib/world/one?memory_mib=4096`), a guest a file in it that says
how it is; a pool is a folder as well (`file:///var/lib/world/pool`), with raw disks. It answers one
question after another, and keeps nothing in memory: it may be killed at any line.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Said = dict[str, Any]
MIB = 1024**2


class Refused(Exception):
    """Did not happen, and never will as asked."""


class Unavailable(Exception):
    """Did not happen yet."""


def write(path: Path, content: bytes) -> None:
    """Whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


class Host:
    """One folder."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        if parts.scheme != "external" or not parts.path.strip("/"):
            raise Refused(f"{url} is no host of files: such are external:///a/folder")
        self.folder = Path(unquote(parts.path))
        if not self.folder.is_dir():
            raise Unavailable(f"{self.folder} is not there: make the folder of this host")
        self.memory_mib = int(query.get("memory_mib", ["4096"])[0])

    def connect(self) -> None:
        """It is there, or it would not have been made."""

    def discover(self, address: Said) -> list[Said]:
        return [address]

    # Guests.

    def inspect(self) -> Said:
        return {
            "hardware_id": str(self.folder.stat().st_ino),
            "name": self.folder.name,
            "hypervisor_version": "1",
            "cpu_count": 4,
            "cpu_mhz": 2000,
            "memory_bytes": self.memory_mib * MIB,
            "accelerated": False,
        }

    def _file(self, guest_id: str) -> Path:
        return self.folder / "guests" / f"{guest_id}.json"

    def _guest(self, guest_id: str) -> Said | None:
        try:
            found: Said = json.loads(self._file(guest_id).read_text())
        except FileNotFoundError:
            return None
        return found

    def _guests(self) -> list[Said]:
        files = sorted((self.folder / "guests").glob("[!.]*.json"))
        return [json.loads(one.read_text()) for one in files]

    def _running(self, guest_id: str) -> Said:
        guest = self._guest(guest_id)
        if guest is None or guest["status"]["power"] != "running":
            raise Refused(f"guest {guest_id} does not run here")
        return guest

    def _keep(self, guest: Said) -> None:
        write(self._file(guest["status"]["guest_id"]), json.dumps(guest).encode())

    def start_guest(self, spec: Said, key: str) -> Said:
        there = self._guest(spec["guest_id"])
        if there is not None and there["status"]["power"] == "running":
            return dict(there["status"])
        if spec["memory_mib"] > self.memory_mib:
            raise Refused(f"{spec['memory_mib']} MiB are more than {self.memory_mib} MiB in all")
        for disk in spec["disks"]:
            if not Path(disk["path"]).is_file():
                raise Refused(f"disk {disk['path']} is not there")
        status = {name: spec[name] for name in ("guest_id", "name", "cpu_count", "memory_mib")}
        status |= {"power": "running", "key": key, "disks": [one["path"] for one in spec["disks"]]}
        self._keep({"status": status, "since_s": time.monotonic(), "config": spec["config"]})
        return status

    def stop_guest(self, guest_id: str, grace_s: float, key: str) -> None:
        guest = self._guest(guest_id)
        if guest is not None:
            guest["status"]["power"] = "off"
            self._keep(guest)

    def reboot_guest(self, guest_id: str, force: bool, key: str) -> None:
        self._keep(self._running(guest_id))

    def remove_guest(self, guest_id: str, key: str) -> None:
        self._file(guest_id).unlink(missing_ok=True)

    def find_guest(self, guest_id: str) -> Said | None:
        guest = self._guest(guest_id)
        return None if guest is None else dict(guest["status"])

    def list_guests(self) -> list[Said]:
        return [one["status"] for one in self._guests()]

    def console(self, guest_id: str) -> Said:
        self._running(guest_id)
        return {"serial_log": str(self._file(guest_id))}

    def host_stats(self) -> Said:
        used_mib = 64 + sum(one["memory_mib"] for one in self.list_guests())
        uptime_s = int(time.monotonic())
        told = {"cpu_used_percent": 0.0, "memory_used_bytes": used_mib * MIB, "uptime_s": uptime_s}
        return told | {"network_read_bytes": 0, "network_write_bytes": 0}

    def guest_stats(self) -> list[Said]:
        found = [one for one in self._guests() if one["status"]["power"] == "running"]
        nothing = ("disk_read_bytes", "disk_write_bytes", "network_read_bytes")
        return [
            dict.fromkeys((*nothing, "network_write_bytes"), 0)
            | {
                "guest_id": one["status"]["guest_id"],
                "cpu_time_ns": int((time.monotonic() - one["since_s"]) * 1e9),
                "memory_used_bytes": one["status"]["memory_mib"] * MIB,
            }
            for one in found
        ]

    # Storage.

    def open_pool(self, pool: Said) -> Said:
        for name in ("disks", "images", "rests"):
            (place(pool) / name).mkdir(parents=True, exist_ok=True)
        return self.pool_facts(pool)

    def pool_facts(self, pool: Said) -> Said:
        there = shutil.disk_usage(place(pool))
        return {"capacity_bytes": there.total, "used_bytes": there.total - there.free}

    def create_disk(self, pool: Said, disk: Said, key: str) -> Said:
        if (there := self.find_disk(pool, disk["volume_id"])) is not None:
            return there
        if disk["size_bytes"] > self.pool_facts(pool)["capacity_bytes"]:
            raise Refused(f"{disk['size_bytes']} bytes are more than the pool has")
        final = place(pool) / "disks" / f"{disk['volume_id']}.raw"
        part = final.with_suffix(".part")
        if disk["image"] is None:
            part.write_bytes(b"")
        else:
            shutil.copyfile(self.keep_image(pool, disk["image"], key), part)
            if disk["provisioning"] == "thin":
                name = f"{disk['image']['image_id']}.{disk['volume_id']}"
                (place(pool) / "rests" / name).touch()
        if part.stat().st_size < disk["size_bytes"]:
            os.truncate(part, disk["size_bytes"])
        part.replace(final)
        return self._disk(final)

    def import_disk(self, pool: Said, disk: Said, key: str) -> Said:
        return self.create_disk(pool, disk | {"provisioning": "sparse"}, key)

    def _disk(self, path: Path) -> Said:
        found = path.stat()
        told = {"volume_id": path.stem, "path": str(path), "image_format": "raw"}
        return told | {"size_bytes": found.st_size, "used_bytes": found.st_blocks * 512}

    def find_disk(self, pool: Said, volume_id: str) -> Said | None:
        path = place(pool) / "disks" / f"{volume_id}.raw"
        return self._disk(path) if path.exists() else None

    def list_disks(self, pool: Said) -> list[Said]:
        return [self._disk(one) for one in sorted((place(pool) / "disks").glob("*.raw"))]

    def resize_disk(self, pool: Said, volume_id: str, size_bytes: int, key: str) -> Said:
        disk = self.find_disk(pool, volume_id)
        if disk is None or size_bytes < disk["size_bytes"]:
            raise Refused(f"disk {volume_id} is not there, or larger than {size_bytes} bytes")
        os.truncate(disk["path"], size_bytes)
        return self._disk(Path(disk["path"]))

    def remove_disk(self, pool: Said, volume_id: str, key: str) -> None:
        path = place(pool) / "disks" / f"{volume_id}.raw"
        users = [one["name"] for one in self.list_guests() if str(path) in one["disks"]]
        if users:
            raise Refused(f"disk {volume_id} is in use by {users[0]}")
        for one in (
            path,
            path.with_suffix(".part"),
            *(place(pool) / "rests").glob(f"*.{volume_id}"),
        ):
            one.unlink(missing_ok=True)

    def keep_image(self, pool: Said, image: Said, key: str) -> str:
        if image["image_format"] not in ("raw", "iso"):
            raise Refused(f"an image of {image['image_format']} is none here: raw ones are")
        final = place(pool) / "images" / f"{image['image_id']}.{image['image_format']}"
        if not final.exists():
            part = final.with_suffix(".part")
            shutil.copyfile(image["path"], part)
            part.replace(final)
        return str(final)

    def list_images(self, pool: Said) -> list[str]:
        found = (place(pool) / "images").iterdir()
        return sorted(one.stem for one in found if one.suffix != ".part")

    def drop_image(self, pool: Said, image_id: str, key: str) -> bool:
        if any((place(pool) / "rests").glob(f"{image_id}.*")):
            return False
        for one in (place(pool) / "images").glob(f"{image_id}.*"):
            one.unlink()
        return True

    def find_snapshot(self, pool: Said, snapshot_id: str) -> None:
        """There are none."""

    def list_snapshots(self, pool: Said) -> list[Said]:
        return []


def place(pool: Said) -> Path:
    parts = urlsplit(pool["url"])
    if parts.scheme != "file":
        raise Refused(f"pool {pool['url']} is no folder: such are file:///a/folder")
    return Path(unquote(parts.path))


def answer(ask: Said) -> Said:
    """What to say to one question."""
    try:
        host = Host(ask["host"]["url"])
        verb: Callable[..., Any] | None = getattr(host, ask["verb"], None)
        if verb is None or ask["verb"].startswith("_"):
            raise Refused(f"this program has no verb {ask['verb']}")
        arguments = {"address": ask["host"]} if ask["verb"] == "discover" else ask["arguments"]
        return {"id": ask["id"], "value": verb(**arguments)}
    except Refused as error:
        return {"id": ask["id"], "error": "Refused", "text": str(error)}
    except (Unavailable, OSError) as error:
        return {"id": ask["id"], "error": "Unavailable", "text": str(error)}


def main() -> None:
    for line in sys.stdin:
        ask = json.loads(line)
        if not ask.get("cancel"):
            sys.stdout.write(json.dumps(answer(ask)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
