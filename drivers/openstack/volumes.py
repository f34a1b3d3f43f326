"""Disks in Cinder: a volume each, which bears our id, and that of the pool it lies in.

A volume that is not whole yet has Cinder's own state (`creating`, `error`), or a mark of ours
while it is made in several steps; it is then no disk to anybody. Cinder counts in whole GiB.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from drivers.contract.errors import Refused, Unavailable, Unknown
from drivers.contract.storage import DiskStatus, PoolSpec, SnapshotStatus
from drivers.openstack import names, pools
from drivers.openstack.client import Client
from drivers.openstack.errors import NotThere, of_fault
from drivers.openstack.locks import Locks
from drivers.openstack.watch import Row, Watch

GIB = 1024**3
UNMADE = ("creating", "downloading", "error", "error_managing", "deleting", "error_deleting")
USED = ("in-use", "attaching", "detaching", "reserved", "maintenance")
BUSY = ("creating", "downloading", "uploading", "extending", "retyping", "backing-up", "detaching")
# Cinder's word for a copy to another back end, and for the two rows that it is made between.
MIGRATING = ("starting", "migrating", "completing")
PASSING = ("target:", "deleting")
ROW_GETS = 3


class Volumes:
    """Every volume of the project, and waiting for them."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.locks = Locks()
        self._watch = Watch(self._look, pause_s=client.settings.poll_s)

    async def listing(self, **marks: str) -> list[Row]:
        """All volumes with these marks, the oldest first; without marks all of the project.

        An administrator is also shown what a volume is being copied to, or was copied from: that
        bears the volume's own marks, and is Cinder's to remove.
        """
        asked = {"metadata": str(marks)} if marks else {}
        doing = "list volumes in Cinder"
        found = await self.client.pages("volume", "/volumes/detail", "volumes", doing, **asked)
        own = [one for one in found if not _migration(one).startswith(PASSING)]
        return sorted(own, key=lambda one: (one["created_at"], one["id"]))

    async def marked(self, pool: PoolSpec, mark: str, value: UUID) -> list[Row]:
        """The volumes of one id in a pool, whole or not."""
        found = await self.listing(**{mark: str(value)})
        return [one for one in found if one["metadata"].get(names.POOL) == str(pool.pool_id)]

    async def find(self, pool: PoolSpec, volume_id: UUID) -> Row | None:
        return first_whole(await self.marked(pool, names.VOLUME, volume_id))

    async def need(self, pool: PoolSpec, volume_id: UUID, mark: str = names.VOLUME) -> Row:
        """The whole volume of this id; Refused if there is none."""
        if (found := first_whole(await self.marked(pool, mark, volume_id))) is None:
            noun = "disk" if mark == names.VOLUME else "snapshot"
            raise Refused(f"there is no {noun} {volume_id} in pool {pool.url}")
        return found

    async def get(self, cinder_id: str) -> Row | None:
        try:
            said = await self.client.get("volume", f"/volumes/{cinder_id}", "look at a volume")
        except NotThere:
            return None
        row: Row = said["volume"]
        return row

    async def some(self, cinder_ids: Iterable[str]) -> dict[str, Row]:
        """Volumes by Cinder's ids: a few one by one, many by one listing."""
        wanted = frozenset(cinder_ids)
        if len(wanted) > ROW_GETS:
            return {one["id"]: one for one in await self.listing() if one["id"] in wanted}
        return {one: row for one in wanted if (row := await self.get(one)) is not None}

    async def make(
        self,
        pool: PoolSpec,
        marks: Mapping[str, str],
        size_gib: int,
        *,
        volume_type: str,
        source: Mapping[str, str] = pools.NOTHING,
    ) -> Row:
        """A volume under marks of ours, when Cinder has filled it. Callers hold its lock."""
        known = marks.get(names.VOLUME) or marks.get(names.SNAPSHOT) or ""
        doing = f"make volume {known} in pool {pool.url}"
        body: dict[str, Any] = {
            "name": known,
            "size": size_gib,
            "metadata": {**marks, names.POOL: str(pool.pool_id)},
            **source,
        }
        if volume_type:
            body["volume_type"] = volume_type
        said = await self.client.post("volume", "/volumes", doing, {"volume": body})
        return await self.filled(said["volume"]["id"], doing)

    async def filled(self, cinder_id: str, doing: str) -> Row:
        """Wait until Cinder is done with a volume; one in error goes, with the reason told."""
        row = await self.settled(cinder_id, doing)
        if row is None:
            raise Unavailable(f"{doing}: somebody removed the volume meanwhile")
        if row["status"].startswith("error"):
            why = await self.why(cinder_id, None)
            await self.remove(row)
            raise of_fault(why, doing=doing)
        return row

    async def settled(self, cinder_id: str, doing: str) -> Row | None:
        """Wait until a volume is in no state that passes by itself."""
        return await self._watch.until(
            cinder_id,
            lambda row: row is None or not (is_busy(row) or row["status"] == "deleting"),
            limit_s=self.client.settings.image_s,
            doing=doing,
        )

    async def until(
        self, cinder_id: str, statuses: tuple[str, ...], doing: str, *, limit_s: float = 0.0
    ) -> Row:
        """Wait for one of these states, `task_s` if no other time is said; an error is told."""

        def done(row: Row | None) -> bool:
            if row is None:
                raise Unavailable(f"{doing}: the volume is gone")
            if row["status"].startswith("error"):
                raise of_fault(f"the volume is {row['status']}", doing=doing)
            return row["status"] in statuses

        limit_s = limit_s or self.client.settings.task_s
        row = await self._watch.until(cinder_id, done, limit_s=limit_s, doing=doing)
        assert row is not None
        return row

    async def clear_unmade(self, rows: Iterable[Row], doing: str) -> Row | None:
        """What an earlier try left: the whole volume if it came to that, else all of it goes."""
        kept: Row | None = None
        for row in rows:
            now = await self.settled(row["id"], doing) if is_busy(row) else row
            if now is None:
                continue
            if kept is None and is_whole(now):
                kept = now
            elif not is_whole(now):
                await self.remove(now)
        return kept

    async def eldest(self, pool: PoolSpec, mark: str, value: UUID, made: Row) -> Row:
        """Of two that two controllers made at once the older stays."""
        found = [one for one in await self.marked(pool, mark, value) if is_whole(one)]
        if found and found[0]["id"] != made["id"]:
            await self.remove(made)
            return found[0]
        return made

    async def remove(self, row: Row) -> None:
        """Remove a volume and wait until it is gone; while Cinder is busy with it, it is waited."""
        doing = f"remove volume {row['name'] or row['id']}"
        if is_busy(row) and await self.settled(row["id"], doing) is None:
            return
        if row["status"] != "deleting":
            await self.client.delete("volume", f"/volumes/{row['id']}", doing)
        gone = await self.settled(row["id"], doing)
        if gone is not None:
            raise of_fault(await self.why(row["id"], None), doing=f"{doing} ({gone['status']})")

    async def act(self, row: Row, verb: str, body: Mapping[str, Any], doing: str) -> Any:
        path = f"/volumes/{row['id']}/action"
        return await self.client.post("volume", path, doing, {verb: body})

    async def mark(self, row: Row, marks: Mapping[str, str]) -> None:
        path, body = f"/volumes/{row['id']}/metadata", {"metadata": dict(marks)}
        await self.client.post("volume", path, f"mark volume {row['id']}", body)

    async def unmark(self, row: Row, *marks: str) -> None:
        for mark in marks:
            if mark in row["metadata"]:
                path = f"/volumes/{row['id']}/metadata/{mark}"
                await self.client.delete("volume", path, f"unmark volume {row['id']}")

    async def free(self, row: Row, doing: str) -> None:
        """Have Cinder forget who has a volume, as nobody does. It refuses if Nova says otherwise.

        One that is in use by no attachment is an administrator's to detach, so that its storage
        lets go of it as well; where that is denied or fails, the volume stays as it is.
        """
        for one in row["attachments"]:
            path = f"/attachments/{one['attachment_id']}"
            await self.client.delete("volume", path, doing)
        if not row["attachments"] and row["status"] in ("in-use", "detaching"):
            with suppress(Refused, Unknown):
                await self.act(row, "os-force_detach", {}, doing)

    async def pause(self) -> None:
        await self._watch.pause()

    async def why(self, cinder_id: str, since: datetime | None) -> str:
        """What Cinder tells its users of a volume's error, since then; that is optional to it."""
        try:
            said = await self.client.get(
                "volume", "/messages", "ask Cinder why", resource_uuid=cinder_id
            )
        except (Refused, Unavailable):
            return ""
        first = since.strftime("%Y-%m-%dT%H:%M:%S") if since else ""
        for one in said.get("messages", ()):
            if str(one.get("created_at", "")) >= first:
                return str(one.get("user_message", ""))
        return ""

    async def _look(self, wanted: frozenset[str]) -> dict[str, Row]:
        return await self.some(wanted)


def is_whole(row: Row) -> bool:
    return row["status"] not in UNMADE and names.MAKING not in row["metadata"]


def first_whole(rows: Iterable[Row]) -> Row | None:
    return next((row for row in rows if is_whole(row)), None)


def is_busy(row: Row) -> bool:
    """In a state that passes by itself. How far a copy is, only administrators are told."""
    return row["status"] in BUSY or _migration(row) in MIGRATING


def _migration(row: Row) -> str:
    return str(row.get("migration_status") or "")


def is_used(row: Row) -> bool:
    return bool(row["attachments"]) or row["status"] in USED


def gib(size_bytes: int) -> int:
    """As many whole GiB as hold this much, and never none."""
    return max(1, -(-size_bytes // GIB))


def disk_status(row: Row) -> DiskStatus:
    size_bytes = row["size"] * GIB
    return DiskStatus(
        volume_id=names.uuid_of(row["metadata"].get(names.VOLUME)),
        path=names.volume_path(row),
        size_bytes=size_bytes,
        used_bytes=size_bytes,
        image_format="raw",
    )


def snapshot_status(row: Row) -> SnapshotStatus:
    size_bytes = row["size"] * GIB
    return SnapshotStatus(
        snapshot_id=names.uuid_of(row["metadata"].get(names.SNAPSHOT)),
        path=names.volume_path(row),
        size_bytes=size_bytes,
        used_bytes=size_bytes,
        image_format="raw",
    )
