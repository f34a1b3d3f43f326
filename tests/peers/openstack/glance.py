"""Glance's v2 API: images with their bytes, properties, tags and statuses."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from aiohttp import web

from tests.peers.openstack.state import (
    PROJECT,
    Region,
    Row,
    body_of,
    now,
    page,
    plain_error,
)

DISK_FORMATS = ("ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop")
BASE = ("name", "disk_format", "container_format", "visibility", "min_disk", "min_ram", "tags",
        "protected", "id")  # fmt: skip


class Glance:
    def __init__(self, region: Region) -> None:
        self._region = region

    def routes(self, app: web.Application, prefix: str) -> None:
        one = f"{prefix}/images/{{id}}"
        app.router.add_get(f"{prefix}/images", self.list)
        app.router.add_post(f"{prefix}/images", self.create)
        app.router.add_get(one, self.show)
        app.router.add_delete(one, self.delete)
        app.router.add_put(f"{one}/file", self.upload)
        app.router.add_get(f"{one}/file", self.download)
        app.router.add_put(f"{one}/tags/{{tag}}", self.tag)
        app.router.add_delete(f"{one}/tags/{{tag}}", self.untag)

    def _one(self, request: web.Request) -> Row:
        row = self._region.images.get(request.match_info["id"])
        if row is None or row["owner"] != request[PROJECT]:
            raise plain_error(404, f"No image found with ID {request.match_info['id']}")
        return row

    async def list(self, request: web.Request) -> web.Response:
        """Any property is a filter; `id` takes `in:`; tags are asked for by `tag`."""
        rows = [one for one in self._region.images.values() if one["owner"] == request[PROJECT]]
        for name, value in request.query.items():
            if name in ("limit", "marker", "sort_key", "sort_dir"):
                continue
            if name == "tag":
                rows = [one for one in rows if value in one["tags"]]
            elif value.startswith("in:"):
                rows = [one for one in rows if one.get(name) in value[3:].split(",")]
            else:
                rows = [one for one in rows if str(one.get(name)) == value]
        return page(request, "images", rows, glance=True)

    async def create(self, request: web.Request) -> web.Response:
        said = await body_of(request)
        for name, value in said.items():
            if name not in BASE and not isinstance(value, str):
                raise plain_error(400, f"{value!r} is not of type 'string' in property {name!r}")
        if said.get("disk_format") not in (None, *DISK_FORMATS):
            raise plain_error(400, f"Invalid disk format {said['disk_format']!r}")
        made: Row = {
            "visibility": "shared",
            "tags": [],
            "protected": False,
            **said,
            "id": said.get("id", str(uuid4())),
            "owner": request[PROJECT],
            "status": "queued",
            "size": None,
            "created_at": now(),
            "updated_at": now(),
        }
        self._region.images[made["id"]] = made
        return web.json_response(made, status=201)

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response(self._one(request))

    async def delete(self, request: web.Request) -> web.Response:
        row = self._one(request)
        if row["protected"]:
            raise plain_error(403, f"Image {row['id']} is protected and cannot be deleted.")
        del self._region.images[row["id"]]
        self._region.image_file(row["id"]).unlink(missing_ok=True)
        return web.Response(status=204)

    async def upload(self, request: web.Request) -> web.Response:
        row = self._one(request)
        if request.content_type != "application/octet-stream":
            raise plain_error(415, "Unsupported Media Type")
        if row["status"] != "queued":
            raise plain_error(409, f"Image status transition from {row['status']} to saving is "
                              "not allowed")  # fmt: skip
        if not row.get("disk_format") or not row.get("container_format"):
            raise plain_error(400, "Properties disk_format, container_format must be set")
        row["status"] = "saving"
        try:
            with self._region.image_file(row["id"]).open("wb") as file:
                async for chunk in request.content.iter_chunked(1 << 16):
                    file.write(chunk)
                row["size"] = file.tell()
        except BaseException:
            row["status"] = "queued"
            raise
        if row["id"] not in self._region.images:
            raise plain_error(410, "Image was deleted while it was uploaded")
        row["status"], row["updated_at"] = "active", now()
        return web.Response(status=204)

    async def download(self, request: web.Request) -> web.StreamResponse:
        row = self._one(request)
        if row["status"] != "active":
            return web.Response(status=204)
        return web.FileResponse(
            self._region.image_file(row["id"]), headers={"Content-Type": "application/octet-stream"}
        )

    async def tag(self, request: web.Request) -> web.Response:
        row, tag = self._one(request), request.match_info["tag"]
        if len(tag) > 255:
            raise plain_error(400, f"Invalid tag {tag}")
        row["tags"] = sorted({*row["tags"], tag})
        return web.Response(status=204)

    async def untag(self, request: web.Request) -> web.Response:
        row, tag = self._one(request), request.match_info["tag"]
        if tag not in row["tags"]:
            raise plain_error(404, f"tag {tag} not found in image {row['id']}")
        row["tags"] = [one for one in row["tags"] if one != tag]
        return web.Response(status=204)


def keep(region: Region, project_id: Any, asked: Row) -> Row:
    """An image that another service makes, whose bytes come later."""
    made: Row = {
        "id": str(uuid4()),
        "name": asked["image_name"],
        "disk_format": asked.get("disk_format", "raw"),
        "container_format": asked.get("container_format", "bare"),
        "visibility": "private",
        "tags": [],
        "protected": False,
        "owner": project_id,
        "status": "queued",
        "size": None,
        "created_at": now(),
        "updated_at": now(),
    }
    region.images[made["id"]] = made
    return made
