"""Disks as the contract wants them, each a volume: made, grown, removed, adopted."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from drivers.contract.errors import Refused, Unavailable, Unknown
from drivers.contract.storage import DiskSpec, DiskStatus, ImageSource, PoolFacts, PoolSpec
from drivers.openstack import names, pools
from drivers.openstack.client import Client
from drivers.openstack.errors import NotThere
from drivers.openstack.images import Images, check
from drivers.openstack.translate import volumes_of
from drivers.openstack.volumes import GIB, Volumes, disk_status, gib, is_used, is_whole
from drivers.openstack.watch import Row


class Disks:
    """The disks of the project's pools."""

    def __init__(self, client: Client, volumes: Volumes, images: Images) -> None:
        self._client, self._volumes, self._images = client, volumes, images

    async def open_pool(self, pool: PoolSpec) -> PoolFacts:
        await pools.check(self._client, pool)
        return await pools.facts(self._client, pool)

    async def facts(self, pool: PoolSpec) -> PoolFacts:
        return await pools.facts(self._client, pool)

    async def create(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        """A thin clone keeps its image in Glance, since Cinder may have made it of that."""
        doing = f"make disk {disk.volume_id} in pool {pool.url}"
        async with self._volumes.locks.held(disk.volume_id):
            rows = await self._volumes.marked(pool, names.VOLUME, disk.volume_id)
            if (there := await self._volumes.clear_unmade(rows, doing)) is not None:
                return disk_status(there)
            wanted = max(disk.size_bytes, disk.image.virtual_bytes if disk.image else 0)
            facts = await pools.facts(self._client, pool)
            if wanted > facts.capacity_bytes:
                raise Refused(
                    f"{doing}: {gib(wanted)} GiB is more than the whole pool has, "
                    f"{facts.capacity_bytes // GIB} GiB"
                )
            marks = {names.VOLUME: str(disk.volume_id), names.KEY: str(key)}
            source = {}
            if disk.image is not None:
                kept = await self._images.keep(pool.pool_id, disk.image)
                source = {"imageRef": kept["id"]}
                if disk.provisioning == "thin":
                    marks[names.BASE] = str(disk.image.image_id)
            made = await self._volumes.make(
                pool, marks, gib(wanted), volume_type=pools.volume_type(pool), source=source
            )
            return disk_status(await self._volumes.eldest(pool, names.VOLUME, disk.volume_id, made))

    async def bring(self, pool: PoolSpec, disk: DiskSpec, *, key: UUID) -> DiskStatus:
        """A disk from an image of its own, which lies in Glance only while it is copied."""
        image, doing = disk.image, f"import disk {disk.volume_id} into pool {pool.url}"
        if image is None:
            raise Refused(f"{doing}: there is no image to import")
        async with self._volumes.locks.held(disk.volume_id):
            rows = await self._volumes.marked(pool, names.VOLUME, disk.volume_id)
            there = await self._volumes.clear_unmade(rows, doing)
            marks = {"sagastack_import": str(disk.volume_id)}
            if there is None:
                await check(image)
                found = await self._images.of("sagastack_import", str(disk.volume_id))
                name = f"import {disk.volume_id}"
                kept = found[0] if found else await self._images.bring(image, name, marks)
                size = gib(max(disk.size_bytes, image.virtual_bytes))
                own = {names.VOLUME: str(disk.volume_id), names.KEY: str(key)}
                there = await self._volumes.make(
                    pool,
                    own,
                    size,
                    volume_type=pools.volume_type(pool),
                    source={"imageRef": kept["id"]},
                )
                there = await self._volumes.eldest(pool, names.VOLUME, disk.volume_id, there)
            for one in await self._images.of("sagastack_import", str(disk.volume_id)):
                await self._images.remove(one["id"])
            return disk_status(there)

    async def resize(self, pool: PoolSpec, volume_id: UUID, *, size_bytes: int) -> DiskStatus:
        """Cinder grows a volume that a running guest has, too (from microversion 3.42 on)."""
        doing = f"grow disk {volume_id} to {gib(size_bytes)} GiB"
        row = await self._volumes.need(pool, volume_id)
        if row["status"] == "extending":
            row = await self._volumes.until(row["id"], ("available", "in-use"), doing)
        wanted = gib(size_bytes)
        if wanted < row["size"]:
            raise Refused(f"disk {volume_id} has {row['size']} GiB: it cannot shrink to {wanted}")
        if wanted > row["size"]:
            await self._volumes.act(row, "os-extend", {"new_size": wanted}, doing)
            row = await self._volumes.until(row["id"], ("available", "in-use"), doing)
            if row["size"] < wanted:
                raise Unavailable(f"{doing}: Cinder left it at {row['size']} GiB")
        return disk_status(row)

    async def remove(self, pool: PoolSpec, volume_id: UUID, mark: str = names.VOLUME) -> None:
        """Whatever there is of it: also what an interrupted making left, and copies at once."""
        async with self._volumes.locks.held(volume_id):
            for row in await self._volumes.marked(pool, mark, volume_id):
                await self._volumes.remove(await self.unused(row, f"remove disk {volume_id}"))

    async def unused(self, row: Row, doing: str) -> Row:
        """The volume once no server has it; one that is being let go of is waited for.

        Refused: a server has it and keeps it.
        """
        if not is_used(row):
            return row
        for one in row["attachments"]:
            if await self._is_there(one["server_id"], doing):
                raise Refused(f"{doing}: server {one['server_id']} uses it. Stop the guest first")
        if row["status"] in ("attaching", "reserved"):
            raise Refused(
                f"{doing}: volume {row['id']} is just given to a server. If none is being started "
                f"with it, free it: openstack volume set --state available {row['id']}"
            )
        return await self._let_go(row, doing)

    async def _let_go(self, row: Row, doing: str) -> Row:
        """The volume when Cinder has it back from servers that are no more.

        Nova lets go of volumes before a server is gone. What is in use for longer was forgotten: by
        a Nova that died meanwhile or had swapped the volume just then, or by Cinder, which at the
        end of such a swap may lose who has it. It is freed here.
        """
        cinder_id, settings = row["id"], self._client.settings
        with suppress(Unknown):
            limit_s = min(settings.let_go_s, settings.task_s)
            return await self._volumes.until(cinder_id, ("available",), doing, limit_s=limit_s)
        now = await self._volumes.get(cinder_id)
        if now is not None and is_used(now):
            for server_id in await self._users(now, doing):
                if await self._is_there(server_id, doing):
                    raise Refused(f"{doing}: server {server_id} uses it. Stop the guest first")
            await self._volumes.free(now, doing)
        try:
            return await self._volumes.until(cinder_id, ("available",), doing)
        except Unknown as late:
            raise Refused(
                f"{late}: no server has volume {cinder_id}, and Cinder does not give it back. "
                "Where its storage has let go of it, free it: "
                f"openstack volume set --state available --detached {cinder_id}"
            ) from late

    async def _users(self, row: Row, doing: str) -> set[str]:
        """The servers that have a volume by what Cinder knows, and by what Nova does."""
        servers = await self._client.pages("compute", "/servers/detail", "servers", doing)
        told = {one["id"] for one in servers if row["id"] in volumes_of(one)}
        return told | {one["server_id"] for one in row["attachments"]}

    async def _is_there(self, server_id: str, doing: str) -> bool:
        """Refused for a server that Nova has removed, but keeps for a while with its volumes."""
        try:
            said = await self._client.get("compute", f"/servers/{server_id}", "look at a server")
        except NotThere:
            return False
        if said["server"]["status"] == "SOFT_DELETED":
            raise Refused(
                f"{doing}: server {server_id} is removed, but Nova keeps it and its volumes for a "
                "while. Remove it (openstack server delete --force), and set Nova's "
                "reclaim_instance_interval to 0"
            )
        return bool(said["server"]["status"] != "DELETED")

    async def find(self, pool: PoolSpec, volume_id: UUID) -> DiskStatus | None:
        row = await self._volumes.find(pool, volume_id)
        return None if row is None else disk_status(row)

    async def listing(self, pool: PoolSpec) -> list[DiskStatus]:
        """Ours by the mark of the pool; of nobody's those that are of its type."""
        wanted, pool_id = pools.volume_type(pool), str(pool.pool_id)
        found = []
        for row in await self._volumes.listing():
            marks = row["metadata"]
            if names.SNAPSHOT in marks or not is_whole(row):
                continue
            ours = names.VOLUME in marks
            if marks.get(names.POOL) == pool_id if ours else row["volume_type"] == wanted:
                found.append(disk_status(row))
        return found

    async def adopt(self, pool: PoolSpec, path: str, volume_id: UUID, *, key: UUID) -> DiskStatus:
        if (there := await self._volumes.find(pool, volume_id)) is not None:
            return disk_status(there)
        cinder_id = names.stranger_in(path)
        row = await self._volumes.get(cinder_id) if cinder_id else None
        if row is None or not is_whole(row):
            raise Refused(f"there is no volume {path!r} in pool {pool.url}")
        if names.VOLUME in row["metadata"]:
            raise Refused(f"volume {path!r} is disk {row['metadata'][names.VOLUME]} already")
        wanted = pools.volume_type(pool)
        if wanted and row["volume_type"] != wanted:
            raise Refused(f"volume {path!r} is of type {row['volume_type']}, not of {pool.url}")
        own = {names.VOLUME: str(volume_id), names.POOL: str(pool.pool_id), names.KEY: str(key)}
        await self._volumes.mark(row, own)
        return disk_status(await self._volumes.need(pool, volume_id))

    async def disown(self, pool: PoolSpec, volume_id: UUID) -> None:
        for row in await self._volumes.marked(pool, names.VOLUME, volume_id):
            await self._volumes.unmark(row, names.BASE, names.KEY, names.POOL, names.VOLUME)

    async def keep_image(self, pool: PoolSpec, image: ImageSource) -> str:
        return f"glance:{(await self._images.keep(pool.pool_id, image))['id']}"

    async def drop_image(self, pool: PoolSpec, image_id: UUID) -> bool:
        """It stays while a thin disk was made of it: back ends clone from where it lies."""
        for row in await self._volumes.listing(**{names.BASE: str(image_id)}):
            if row["metadata"].get(names.POOL) == str(pool.pool_id):
                return False
        await self._images.drop(pool.pool_id, image_id)
        return True

    async def images(self, pool: PoolSpec) -> list[UUID]:
        return await self._images.kept_in(pool.pool_id)
