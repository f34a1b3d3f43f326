"""Images in Glance: templates that pools keep, and what passes through on its way in or out.

An image that several pools keep lies there once and bears a tag of each. Glance has no name that
is there once only, so two controllers may bring the same image at once: the older one stays.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from drivers.contract.errors import DriverError, Refused
from drivers.contract.storage import ImageSource
from drivers.kit import images as tools
from drivers.openstack import names
from drivers.openstack.client import Client
from drivers.openstack.errors import NotThere, of_fault
from drivers.openstack.locks import Locks
from drivers.openstack.watch import Row, Watch

FORMATS = ("qcow2", "raw", "iso", "vmdk", "vhd", "vhdx")
# An upload that another controller has not finished in a day was given up.
GIVEN_UP = timedelta(days=1)


class Images:
    """`by` marks what this process uploads, so that it knows its own remains."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._by = uuid4().hex
        self._locks = Locks()
        self._watch = Watch(self._look, pause_s=client.settings.poll_s)

    async def keep(self, pool_id: UUID, image: ImageSource) -> Row:
        """The image in Glance, brought there if it is not yet, and kept for the pool."""
        async with self._locks.held(image.image_id):
            found = await self.of(names.IMAGE, str(image.image_id))
            if not found:
                await check(image)
                marks = {names.IMAGE: str(image.image_id)}
                await self.bring(image, f"template {image.image_id}", marks)
                found = await self._eldest(await self.of(names.IMAGE, str(image.image_id)))
            kept, tag = found[0], pool_tag(pool_id)
            if tag not in kept["tags"]:
                doing = f"keep image {image.image_id} for pool {pool_id}"
                await self._client.call("PUT", "image", f"/images/{kept['id']}/tags/{tag}", doing)
            return kept

    async def kept_in(self, pool_id: UUID) -> list[UUID]:
        found = await self._list(tag=pool_tag(pool_id), status="active")
        ids = {names.uuid_of(one.get(names.IMAGE)) for one in found}
        return sorted(one for one in ids if one is not None)

    async def drop(self, pool_id: UUID, image_id: UUID) -> None:
        """Keep it for this pool no longer; it goes when no other pool keeps it."""
        async with self._locks.held(image_id):
            for one in await self.of(names.IMAGE, str(image_id)):
                tag, where = pool_tag(pool_id), f"/images/{one['id']}"
                others = [t for t in one["tags"] if t.startswith(POOL_TAG) and t != tag]
                if others:
                    await self._client.delete("image", f"{where}/tags/{tag}", f"drop {image_id}")
                else:
                    await self._client.delete("image", where, f"remove image {image_id}")

    async def bring(self, image: ImageSource, name: str, marks: dict[str, str]) -> Row:
        """Upload a file under marks of ours. What an earlier try of this process left goes first.

        Callers hold a lock on the marks.
        """
        doing = f"upload {image.path} as {name}"
        await self._tidy(marks)
        body = {
            "name": f"sagastack {name}",
            "disk_format": image.image_format,
            "container_format": "bare",
            "visibility": "private",
            names.BY: self._by,
            **marks,
        }
        made: Row = await self._client.post("image", "/images", doing, body)
        try:
            await self._client.send("image", f"/images/{made['id']}/file", doing, image.path)
        except DriverError:
            await self.remove(made["id"])
            raise
        return await self.whole(made["id"], doing)

    async def whole(self, glance_id: str, doing: str) -> Row:
        """Wait until an image can be read."""

        def done(row: Row | None) -> bool:
            if row is None or row["status"] in ("deleted", "killed", "pending_delete"):
                raise of_fault("Glance gave the image up", doing=doing)
            return bool(row["status"] == "active")

        limit_s = self._client.settings.image_s
        row = await self._watch.until(glance_id, done, limit_s=limit_s, doing=doing)
        assert row is not None
        return row

    async def of(self, mark: str, value: str) -> list[Row]:
        """Whole images under a mark, the oldest first."""
        return await self._list(**{mark: value}, status="active")

    async def named(self, name: str) -> list[Row]:
        """Images of one name, whole or not."""
        return await self._list(name=name)

    async def remove(self, glance_id: str) -> None:
        await self._client.delete("image", f"/images/{glance_id}", f"remove image {glance_id}")

    async def fetch(self, glance_id: str, path: str) -> None:
        doing = f"download image {glance_id}"
        await self._client.fetch("image", f"/images/{glance_id}/file", doing, path)

    async def _eldest(self, found: list[Row]) -> list[Row]:
        """Of two that were brought at once the older stays; which it is everyone agrees."""
        for one in found[1:]:
            if one.get(names.BY) == self._by:
                await self.remove(one["id"])
        return found[:1]

    async def _tidy(self, marks: dict[str, str]) -> None:
        for one in await self._list(**marks):
            partial = one["status"] in ("queued", "saving", "killed")
            if partial and (one.get(names.BY) == self._by or self._given_up(one)):
                await self.remove(one["id"])

    def _given_up(self, image: Row) -> bool:
        began = datetime.fromisoformat(image["created_at"].replace("Z", "+00:00"))
        return self._client.now is not None and self._client.now - began > GIVEN_UP

    async def _list(self, **asked: Any) -> list[Row]:
        doing = "list images in Glance"
        found = await self._client.pages("image", "/images", "images", doing, **asked)
        return sorted(found, key=lambda one: (one["created_at"], one["id"]))

    async def _look(self, wanted: frozenset[str]) -> dict[str, Row]:
        if len(wanted) == 1:
            (one,) = wanted
            try:
                said = await self._client.get("image", f"/images/{one}", f"look at image {one}")
            except NotThere:
                return {}
            return {one: said}
        return {one["id"]: one for one in await self._list(id=f"in:{','.join(sorted(wanted))}")}


POOL_TAG = "sagastack-pool-"


def pool_tag(pool_id: UUID) -> str:
    return f"{POOL_TAG}{pool_id}"


async def check(image: ImageSource) -> None:
    """Refused if it is no image of the format that it is said to be: Glance takes any bytes."""
    if image.image_format not in FORMATS:
        raise Refused(
            f"image {image.image_id} is of format {image.image_format}; OpenStack takes "
            f"{', '.join(FORMATS)}: convert it, or register the template in one of them"
        )
    if image.image_format == "iso":
        return
    found = await tools.look(image.path, image.image_format)
    if found.backing:
        raise Refused(f"image {image.path} needs another file, {found.backing}: flatten it first")
