"""Storages, what lies in them, and files that are uploaded."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from tests.peers.proxmox.errors import bad, die
from tests.peers.proxmox.world import FILE_BASED, Storage, Volume

if TYPE_CHECKING:
    from tests.peers.proxmox.server import Call

ENDINGS = {"iso": r"\.(?i:iso|img)", "vztmpl": r"\.tar\.\w+", "import": r"\.(ova|qcow2|raw|vmdk)"}


def _told(call: Call, storage: Storage) -> dict[str, Any]:
    used = call.world.used(storage.name)
    return {
        "type": storage.type, "content": ",".join(storage.content), "shared": int(storage.shared),
        "enabled": 1, "active": int(storage.active), "total": storage.total, "used": used,
        "avail": storage.total - used,
    }  # fmt: skip


async def listed(call: Call) -> Any:
    wanted = {one for one in call.told.get("content", "").split(",") if one}
    return [
        _told(call, one) | {"storage": one.name}
        for one in call.world.storages.values()
        if not wanted or wanted & set(one.content)
    ]


async def status(call: Call) -> Any:
    storage = call.world.storages.get(call.names["S"])
    if storage is None:
        raise die(f"storage '{call.names['S']}' does not exist")
    return _told(call, storage)


async def content(call: Call) -> Any:
    storage = call.world.storage(call.names["S"])
    return [
        _shown(one) for one in call.world.volumes.values()
        if one.storage == storage.name and one.node in ("", call.node)
        and call.told.get("content", one.content) == one.content
        and call.told.get("vmid", str(one.owner)) == str(one.owner)
    ]  # fmt: skip


def _shown(volume: Volume) -> dict[str, Any]:
    told: dict[str, Any] = {
        "volid": volume.volid, "format": volume.format, "size": volume.size, "ctime": 1700000000,
        "content": volume.content,
    }  # fmt: skip
    if volume.owner is not None:
        told |= {"vmid": str(volume.owner), "used": volume.file.stat().st_blocks * 512}
    return told


async def upload(call: Call) -> Any:
    """A file that is there is replaced."""
    kind, name = call.told.get("content", ""), call.told["filename"]
    storage = call.world.storage(call.names["S"])
    if kind not in ENDINGS:
        raise bad(content=f"value '{kind}' does not have a value in the enumeration "
                  "'iso, vztmpl, import'")  # fmt: skip
    if storage.type not in FILE_BASED:
        raise die(f"can't upload to storage type '{storage.type}', not a file based storage!")
    if not re.fullmatch(rf"[\w.+-]+{ENDINGS[kind]}", name):
        raise bad(filename="wrong file extension")
    if kind not in storage.content:
        raise die(f"storage '{storage.name}' is not configured for content type '{kind}'")
    file, volid = call.file, f"{storage.name}:{kind}/{name}"
    assert file is not None

    async def work() -> None:
        target = call.world.folder / storage.name / kind / name
        target.parent.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(file.replace, target)
        form = "iso" if kind == "iso" else name.rsplit(".", 1)[1]
        call.world.volumes[volid] = Volume(volid, storage.name, kind, target, form)

    return call.world.task(call.node, "imgcopy", "", call.user, work)


async def delete(call: Call) -> Any:
    volume = call.world.volumes.get(call.names["V"])
    if volume is None:
        raise die(f"volume '{call.names['V']}' does not exist")

    async def work() -> None:
        call.world.free(volume.volid)

    return call.world.task(call.node, "imgdel", volume.volid.replace(":", "-"), call.user, work)


HANDLERS = {
    "GET /nodes/N/storage": listed,
    "GET /nodes/N/storage/S/status": status,
    "GET /nodes/N/storage/S/content": content,
    "DELETE /nodes/N/storage/S/content/V": delete,
    "POST /nodes/N/storage/S/upload": upload,
}
