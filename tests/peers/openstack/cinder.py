"""Cinder's v3 API: volumes with their bytes, states, actions, types and quotas.

A volume's file holds its bytes as far as any were written: what is beyond is zeros.
"""

from __future__ import annotations

import ast
import asyncio
import shutil
from functools import partial
from typing import Any
from uuid import uuid4

from aiohttp import web

from tests.peers.openstack import glance, swaps
from tests.peers.openstack.state import (
    ADMIN,
    PROJECT,
    Region,
    Row,
    body_of,
    check_fields,
    exact,
    now,
    page,
    wrong,
)

GIB = 1024**3
CREATE_FIELDS: dict[str, Any] = {
    "name": (str, type(None)),
    "size": (int, str, type(None)),
    "metadata": dict,
    "volume_type": (str, type(None)),
    "imageRef": str,
    "source_volid": str,
    "description": (str, type(None)),
}
MIGRATING = ("starting", "migrating", "completing")
DELETABLE = ("available", "error", "error_restoring", "error_extending", "error_managing")


class Cinder:
    def __init__(self, region: Region) -> None:
        self._region = region

    def routes(self, app: web.Application, prefix: str) -> None:
        one = f"{prefix}/volumes/{{id}}"
        for method, path, handler in (
            ("GET", f"{prefix}/volumes/detail", self.list),
            ("POST", f"{prefix}/volumes", self.create),
            ("GET", one, self.show),
            ("DELETE", one, self.delete),
            ("POST", f"{one}/action", self.act),
            ("POST", f"{one}/metadata", self.add_metadata),
            ("DELETE", f"{one}/metadata/{{key}}", self.drop_metadata),
            ("DELETE", f"{prefix}/attachments/{{id}}", self.detach),
            ("GET", f"{prefix}/types", self.types),
            ("GET", f"{prefix}/limits", self.limits),
            ("GET", f"{prefix}/messages", self.messages),
            ("GET", f"{prefix}/scheduler-stats/get_pools", self.pools),
        ):
            app.router.add_route(method, path, self._own(handler))

    def _own(self, handler: Any) -> Any:
        async def checked(request: web.Request) -> web.StreamResponse:
            if request.match_info["project"] != request[PROJECT]:
                raise wrong(400, "Malformed request url")
            answer: web.StreamResponse = await handler(request)
            return answer

        return checked

    def _one(self, request: web.Request) -> Row:
        row = self._region.volumes.get(request.match_info["id"])
        if row is None or row["project"] != request[PROJECT]:
            raise wrong(404, f"Volume {request.match_info['id']} could not be found.")
        return row

    async def list(self, request: web.Request) -> web.Response:
        rows = [one for one in self._region.volumes.values() if one["project"] == request[PROJECT]]
        if asked := request.query.get("metadata"):
            wanted = ast.literal_eval(asked)
            rows = [one for one in rows if wanted.items() <= one["metadata"].items()]
        for name in ("name", "status"):
            if name in request.query:
                rows = [one for one in rows if one[name] == request.query[name]]
        if not request[ADMIN]:
            rows = [one for one in rows if not _is_target(one)]
        return page(request, "volumes", [_shown(one, request) for one in rows])

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response({"volume": _shown(self._one(request), request)})

    async def create(self, request: web.Request) -> web.Response:
        said = check_fields(await body_of(request, "volume"), CREATE_FIELDS)
        source = self._region.volumes.get(said.get("source_volid", ""))
        if "source_volid" in said and source is None:
            raise wrong(404, f"Volume {said['source_volid']} could not be found.")
        size = int(said.get("size") or (source or {}).get("size") or 0)
        if size < 1:
            raise wrong(400, "Invalid input received: size must be a positive integer")
        kind = self._type(said.get("volume_type"))
        if source is not None:
            self._check_source(source, size, kind)
        image = self._image(request, said.get("imageRef", ""), size)
        self._within_quota(request, size)
        row = self._made(request, said, size, kind, image)
        if source is not None:
            row["bootable"] = source["bootable"]
        self._region.volumes[row["id"]] = row
        self._region.later(partial(self._fill, row, source, image))
        return web.json_response({"volume": row}, status=202)

    def _type(self, name: str | None) -> str:
        names = [one["name"] for one in self._region.volume_types]
        if name is not None and name not in names:
            raise wrong(404, f"Volume type {name} could not be found.")
        return str(name or names[0])

    def _check_source(self, source: Row, size: int, kind: str) -> None:
        if source["status"] not in ("available", "in-use"):
            raise wrong(400, f"Invalid volume: Invalid status {source['status']} of source volume")
        if size < source["size"]:
            raise wrong(400, f"Invalid input received: Volume size '{size}'GB cannot be smaller "
                        f"than original volume size {source['size']}GB.")  # fmt: skip
        if kind != source["volume_type"]:
            raise wrong(400, "Invalid input received: Invalid volume_type provided: requested type "
                        "is not compatible with source volume")  # fmt: skip

    def _image(self, request: web.Request, image_id: str, size: int) -> Row | None:
        if not image_id:
            return None
        image = self._region.images.get(image_id)
        if image is None or image["owner"] != request[PROJECT]:
            raise wrong(400, f"Invalid image identifier or unable to access {image_id}")
        if image["status"] != "active":
            raise wrong(400, f"Invalid input received: Image {image_id} is not active.")
        if image["size"] > size * GIB:
            raise wrong(400, f"Invalid input received: Size of specified image is larger than "
                        f"volume size {size}GB.")  # fmt: skip
        return image

    def _within_quota(self, request: web.Request, size: int) -> None:
        used, quota = self._used(request[PROJECT]), self._region.quota["gigabytes"]
        if used + size > quota:
            raise wrong(413, "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot "
                        f"exceeds allowed gigabytes quota. Requested {size}G, quota is {quota}G "
                        f"and {used}G has been consumed.")  # fmt: skip

    def _used(self, project_id: str) -> int:
        mine = self._region.volumes.values()
        return sum(
            one["size"] for one in mine if one["project"] == project_id and not _is_target(one)
        )

    def _made(
        self, request: web.Request, said: Row, size: int, kind: str, image: Row | None
    ) -> Row:
        row: Row = {
            "id": str(uuid4()),
            "name": said.get("name"),
            "size": size,
            "status": "creating",
            "volume_type": kind,
            "metadata": dict(said.get("metadata", {})),
            "attachments": [],
            "bootable": "false",
            "project": request[PROJECT],
            "created_at": exact(),
            "multiattach": False,
        }
        for key, value in row["metadata"].items():
            if not isinstance(value, str) or len(value) > 255:
                raise wrong(400, f"Invalid input for field/attribute {key}. Value: {value}.")
        if image is not None:
            row |= {"bootable": "true", "volume_image_metadata": {"image_id": image["id"]}}
        return row

    async def _fill(self, row: Row, source: Row | None, image: Row | None) -> None:
        """The scheduler, then the volume service: bytes of an image, of a volume, or none."""
        others = sum(one["size"] for one in self._region.volumes.values() if one is not row)
        if others + row["size"] > self._region.pool_gib:
            self._fail(
                row, "schedule allocate volume:Could not find any available weighted backend."
            )
            return
        path = self._region.volume_file(row["id"])
        if source is not None:
            await asyncio.to_thread(shutil.copyfile, self._region.volume_file(source["id"]), path)
        elif image is not None:
            row["status"] = "downloading"
            held, named = self._region.image_file(image["id"]), image["disk_format"]
            if not await _qemu_img("convert", "-f", named, "-O", "raw", str(held), str(path)):
                self._fail(row, "copy image to volume: Image is unacceptable: not of its format")
                return
            if path.stat().st_size > row["size"] * GIB:
                self._fail(row, "copy image to volume: Volume size is too small for the image")
                return
        else:
            path.touch()
        row["status"] = "available"

    def _fail(self, row: Row, message: str) -> None:
        row["status"] = "error"
        told = {"id": str(uuid4()), "resource_uuid": row["id"], "user_message": message,
                "message_level": "ERROR", "created_at": now()}  # fmt: skip
        self._region.messages.insert(0, told)

    async def delete(self, request: web.Request) -> web.Response:
        row = self._one(request)
        busy = _is_target(row) or row.get("migration_status") in MIGRATING
        if row["status"] not in DELETABLE or row["attachments"] or busy:
            raise wrong(400, "Invalid volume: Volume status must be available or error or "
                        "error_restoring or error_extending or error_managing and must not be "
                        "migrating, attached, belong to a group, have snapshots")  # fmt: skip
        row["status"] = "deleting"

        async def gone() -> None:
            self._region.volumes.pop(row["id"], None)
            self._region.volume_file(row["id"]).unlink(missing_ok=True)

        self._region.later(gone)
        return web.Response(status=202)

    async def act(self, request: web.Request) -> web.Response:
        row, said = self._one(request), await body_of(request)
        ((name, asked),) = said.items()
        match name:
            case "os-extend":
                return self._extend(request, row, asked)
            case "os-retype":
                return self._retype(row, asked)
            case "os-volume_upload_image":
                return self._upload(request, row, asked)
            case "os-set_bootable":
                row["bootable"] = str(check_fields(asked, {"bootable": bool})["bootable"]).lower()
                return web.Response(status=200)
            case "os-set_image_metadata":
                row.setdefault("volume_image_metadata", {}).update(asked["metadata"])
                return web.json_response({"metadata": row["volume_image_metadata"]})
            case "os-force_detach":
                return self._force_detach(request, row, asked)
        raise wrong(400, f"There is no such action: {name}")

    def _force_detach(self, request: web.Request, row: Row, asked: Row) -> web.Response:
        """The way out for one that is in use by no attachment; those of servers are Nova's."""
        check_fields(asked, {"connector": dict, "attachment_id": str})
        if not request[ADMIN]:
            raise wrong(403, "Policy doesn't allow volume_extension:volume_admin_actions:"
                        "force_detach to be performed.")  # fmt: skip
        if row["attachments"]:
            raise wrong(409, "Detach volume from instance using the Compute API")
        if row["status"] == "maintenance":
            raise wrong(400, "The volume cannot be detached in maintenance mode.")
        row["status"] = "available"
        return web.Response(status=202)

    def _extend(self, request: web.Request, row: Row, asked: Row) -> web.Response:
        size, version = asked["new_size"], request.headers.get("OpenStack-API-Version", "")
        live = row["status"] == "in-use" and version.removeprefix("volume ") >= "3.42"
        if row["status"] != "available" and not live:
            raise wrong(400, f"Invalid volume: Volume {row['id']} status must be '{{'status': "
                        f"'available'}}' to extend, currently {row['status']}.")  # fmt: skip
        if size <= row["size"]:
            raise wrong(400, "Invalid input received: New size for extend must be greater than "
                        f"current size. (current: {row['size']}, extended: {size}).")  # fmt: skip
        self._within_quota(request, size - row["size"])
        before, row["status"] = row["status"], "extending"

        async def extended() -> None:
            row["size"], row["status"] = size, before

        self._region.later(extended)
        return web.Response(status=202)

    def _retype(self, row: Row, asked: Row) -> web.Response:
        """To another back end, with its bytes: of a server's volume, Nova swaps it meanwhile."""
        check_fields(asked, {"new_type": str, "migration_policy": str}, ("new_type",))
        kind = self._type(asked["new_type"])
        busy = row.get("migration_status") in MIGRATING
        if row["status"] not in ("available", "in-use") or kind == row["volume_type"] or busy:
            raise wrong(400, "Invalid volume: Retype needs status available or in-use, and "
                        "another type")  # fmt: skip
        before, row["status"] = row["status"], "retyping"
        if asked.get("migration_policy") != "on-demand":
            self._region.later(partial(_stays, row, before))
            return web.Response(status=202)
        row["migration_status"] = "migrating"
        self._region.later(partial(swaps.retype, self._region, row, kind, before))
        return web.Response(status=202)

    def _upload(self, request: web.Request, row: Row, asked: Row) -> web.Response:
        if row["status"] != "available" and not asked.get("force"):
            raise wrong(400, f"Invalid volume: Volume {row['id']} status must be available, but "
                        f"is {row['status']}")  # fmt: skip
        image = glance.keep(self._region, request[PROJECT], asked)
        before, row["status"] = row["status"], "uploading"
        self._region.later(partial(self._uploaded, row, image, before))
        shown = {"image_id": image["id"], "status": "uploading", "id": row["id"]}
        return web.json_response({"os-volume_upload_image": shown}, status=202)

    async def _uploaded(self, row: Row, image: Row, before: str) -> None:
        whole = self._region.folder / f"{image['id']}.raw"
        await asyncio.to_thread(shutil.copyfile, self._region.volume_file(row["id"]), whole)
        with whole.open("r+b") as file:
            file.truncate(row["size"] * GIB)
        target = self._region.image_file(image["id"])
        done = await _qemu_img(
            "convert", "-f", "raw", "-O", image["disk_format"], str(whole), str(target)
        )
        whole.unlink()
        row["status"] = before
        if done and image["id"] in self._region.images:
            image["status"], image["size"] = "active", target.stat().st_size

    async def detach(self, request: web.Request) -> web.Response:
        """An attachment is its user's to remove once Nova knows nothing of it."""
        if request.headers.get("OpenStack-API-Version", "").removeprefix("volume ") < "3.27":
            raise wrong(404, "The resource could not be found.")
        attachment_id = request.match_info["id"]
        for row in self._region.volumes.values():
            for one in row["attachments"]:
                if one.get("attachment_id") != attachment_id:
                    continue
                server = self._region.servers.get(one["server_id"])
                known = {} if server is None else server.get("attachment_ids", {})
                if server and server["status"] != "DELETED" and attachment_id in known.values():
                    raise wrong(409, f"Detach volume from instance {one['server_id']} using the "
                                "Compute API")  # fmt: skip
                row["attachments"].remove(one)
                row["status"] = "in-use" if row["attachments"] else "available"
                return web.json_response({"attachments": []})
        raise wrong(404, "Volume attachment could not be found with filter: attachment_id = "
                    f"{attachment_id}.")  # fmt: skip

    async def add_metadata(self, request: web.Request) -> web.Response:
        row = self._one(request)
        row["metadata"] |= await body_of(request, "metadata")
        return web.json_response({"metadata": row["metadata"]})

    async def drop_metadata(self, request: web.Request) -> web.Response:
        row, key = self._one(request), request.match_info["key"]
        if row["metadata"].pop(key, None) is None:
            raise wrong(404, f"Volume {row['id']} has no metadata with key {key}.")
        return web.Response(status=200)

    async def types(self, request: web.Request) -> web.Response:
        return web.json_response({"volume_types": self._region.volume_types})

    async def limits(self, request: web.Request) -> web.Response:
        said = {
            "maxTotalVolumeGigabytes": self._region.quota["gigabytes"],
            "totalGigabytesUsed": self._used(request[PROJECT]),
            "maxTotalVolumes": 1000,
            "totalVolumesUsed": len(self._region.volumes),
        }
        return web.json_response({"limits": {"rate": [], "absolute": said}})

    async def messages(self, request: web.Request) -> web.Response:
        asked = request.query.get("resource_uuid")
        found = [one for one in self._region.messages if asked in (None, one["resource_uuid"])]
        return web.json_response({"messages": found})

    async def pools(self, request: web.Request) -> web.Response:
        if not request[ADMIN]:
            raise wrong(403, "Policy doesn't allow scheduler_extension:scheduler_stats:get_pools")
        used = sum(one["size"] for one in self._region.volumes.values())
        found = [
            {
                "name": f"store@{one['name']}#pool",
                "capabilities": {
                    "volume_backend_name": one["name"],
                    "total_capacity_gb": self._region.pool_gib,
                    "free_capacity_gb": self._region.pool_gib - used,
                },
            }
            for one in self._region.volume_types
        ]
        return web.json_response({"pools": found})


async def _qemu_img(*words: str) -> bool:
    process = await asyncio.create_subprocess_exec(
        "qemu-img",
        *words,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(60):
        return await process.wait() == 0


def _is_target(row: Row) -> bool:
    return str(row.get("migration_status") or "").startswith("target:")


def _shown(row: Row, request: web.Request) -> Row:
    """How far a copy to another back end is, administrators are told alone."""
    if request[ADMIN]:
        return row
    return {name: value for name, value in row.items() if name != "migration_status"}


async def _stays(row: Row, before: str) -> None:
    row["status"] = before
