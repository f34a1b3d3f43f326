"""The life of a guest: a server that is made when it starts and goes when it is removed.

Its disks are volumes that outlive it, so nothing is lost with it. Nova has no name that is there
once only: the guest's tag is looked up before and after a server is made, under a lock here; of
two that two controllers made, one could not have had the disks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

from drivers.contract.compute import GuestSpec, GuestStatus
from drivers.contract.errors import DriverError, Refused, Unavailable, Unknown
from drivers.openstack import names
from drivers.openstack.cloud import Cloud
from drivers.openstack.errors import Conflict, Invalid, NotThere, of_fault
from drivers.openstack.translate import (
    firmware,
    guest_status,
    host_of,
    is_leaving,
    public_key,
    server_request,
    volumes_of,
)
from drivers.openstack.volumes import is_whole
from drivers.openstack.watch import Row

TASK = "OS-EXT-STS:task_state"


class Guests:
    """The guests of one compute host, or of the whole region where `host` is empty."""

    def __init__(self, cloud: Cloud, host: str) -> None:
        self._cloud, self.host = cloud, host
        self._client = cloud.client

    async def of(self, guest_id: UUID) -> list[Row]:
        """The servers of a guest in the whole region, the oldest first."""
        doing = f"look for guest {guest_id}"
        return await self._cloud.servers(doing, tags=names.guest_tag(guest_id))

    async def here(self, guest_id: UUID) -> Row | None:
        return next((one for one in await self.of(guest_id) if self.is_here(one)), None)

    def is_here(self, server: Row) -> bool:
        return not self.host or host_of(server) == self.host

    async def running(self, guest_id: UUID, verb: str) -> Row:
        """The server of a guest that runs here, else Refused."""
        row = await self.here(guest_id)
        if row is None or row["status"] != "ACTIVE":
            state = "is not there" if row is None else f"is {row['status']}"
            raise Refused(f"{verb}: guest {guest_id} {state} on {self.host or 'this region'}")
        return row

    async def find(self, guest_id: UUID) -> GuestStatus | None:
        row = await self.here(guest_id)
        return None if row is None else await self.status(row)

    async def status(self, row: Row) -> GuestStatus:
        return guest_status(row, await self._cloud.volumes.some(volumes_of(row)))

    async def listing(self) -> list[Row]:
        """Everything on this host that the project has."""
        asked = {"host": self.host} if self.host else {}
        found = await self._cloud.servers("list servers", **asked)
        return [one for one in found if self.is_here(one)]

    async def start(self, spec: GuestSpec, *, key: UUID, network: str) -> GuestStatus:
        doing, login = f"start guest {spec.guest_id}", public_key(spec)
        async with self._cloud.guests.held(spec.guest_id):
            if (runs := await self._already(spec.guest_id, doing)) is not None:
                return await self.status(runs)
            volumes = await self._volumes(spec, doing)
            flavor_id = await self._cloud.flavors.find(spec.cpu_count, spec.memory_mib)
            try:
                ports = await self._cloud.ports.ensure(spec.guest_id, spec.nics, network)
                asked = server_request(
                    spec,
                    key=key,
                    host=self.host,
                    flavor_id=flavor_id,
                    volumes=volumes,
                    ports=ports,
                )
                async with self._key_pair(spec.guest_id, login):
                    row = await self._make(spec, asked, doing)
            except (Refused, Unavailable):
                await self._cloud.ports.remove(spec.guest_id)
                raise
            return await self.status(row)

    @asynccontextmanager
    async def _key_pair(self, guest_id: UUID, public_key: str) -> AsyncIterator[None]:
        """A key pair of Nova's while a server is made: the server keeps the key, not the pair."""
        if not public_key:
            yield
            return
        name, doing = names.key_pair(guest_id), f"let a key into guest {guest_id}"
        await self._client.delete("compute", f"/os-keypairs/{name}", doing)
        pair = {"keypair": {"name": name, "public_key": public_key, "type": "ssh"}}
        await self._client.post("compute", "/os-keypairs", doing, pair)
        try:
            yield
        finally:
            await self._client.delete("compute", f"/os-keypairs/{name}", doing)

    async def _already(self, guest_id: UUID, doing: str) -> Row | None:
        """The server that runs here, also if it was still being made; one that is off goes."""
        for row in await self.of(guest_id):
            if row["status"] == "BUILD" and not is_leaving(row):
                row = await self._built(row["id"], doing) or row
            if row["status"] in ("BUILD", "ERROR", "SHUTOFF") or is_leaving(row):
                await self.delete(row)
            elif self.is_here(row):
                if row["status"] in ("PAUSED", "SUSPENDED"):
                    raise Unavailable(f"{doing}: it is {row['status']} there: resume it first")
                return row
            else:
                raise Refused(f"{doing} on {self.host}: it runs on {host_of(row)}")
        return None

    async def _volumes(self, spec: GuestSpec, doing: str) -> list[str]:
        """Cinder's ids of the guest's disks, in order. Refused: one is not there, or is a disc."""
        found = []
        for disk in sorted(spec.disks, key=lambda one: one.device):
            if disk.is_cdrom:
                raise Refused(f"{doing}: Nova puts no disc into a drive: detach the ISO first")
            rows = await self._cloud.volumes.listing(**{names.VOLUME: str(disk.volume_id)})
            pool = names.pool_in(disk.path)
            fit = [one for one in rows if one["metadata"].get(names.POOL) == pool and is_whole(one)]
            if not fit:
                raise Refused(f"{doing}: its disk {disk.volume_id} is not in {disk.path}")
            await self._cloud.disks.unused(fit[0], doing)
            if disk.device == 0:
                await self._bootable(fit[0])
                await self._firmware(fit[0], spec.boot)
            found.append(fit[0]["id"])
        return found

    async def _bootable(self, root: Row) -> None:
        """Nova starts nothing from a volume that was not made of an image, unless it is told."""
        if root["bootable"] != "true":
            doing = f"let volume {root['id']} be started from"
            await self._cloud.volumes.act(root, "os-set_bootable", {"bootable": True}, doing)

    async def _firmware(self, root: Row, boot: str) -> None:
        """Nova reads a guest's firmware from what its root volume says of the image."""
        wanted = firmware(boot, root.get("volume_image_metadata") or {})
        if wanted:
            doing = f"let volume {root['id']} start by {boot}"
            asked = {"metadata": dict(wanted)}
            await self._cloud.volumes.act(root, "os-set_image_metadata", asked, doing)

    async def _make(self, spec: GuestSpec, asked: dict[str, Any], doing: str) -> Row:
        """Ask Nova for the server; what an answer that was lost has made is found by its tag."""
        try:
            said = await self._client.post("compute", "/servers", doing, asked)
            nova_id = said["server"]["id"]
        except (Refused, Unavailable, Unknown) as error:
            if isinstance(error, NotThere | Invalid):
                self._cloud.flavors.forget(spec.cpu_count, spec.memory_mib)
            there = [one for one in await self.of(spec.guest_id) if not is_leaving(one)]
            if not there:
                raise
            nova_id = there[0]["id"]
        row = await self._built(nova_id, doing)
        rivals = await self.of(spec.guest_id)
        if row is not None and row["status"] == "ACTIVE" and rivals[0]["id"] == row["id"]:
            return row
        why = "" if row is None else (row.get("fault") or {}).get("message", "")
        if row is not None:
            await self.delete(row)
        if row is None or row["status"] == "ACTIVE":
            raise Unavailable(f"{doing}: another controller has just started it")
        raise of_fault(why, doing=doing)

    async def _built(self, nova_id: str, doing: str) -> Row | None:
        """The server when it runs, or is in error, or is gone."""
        limit_s = self._client.settings.task_s
        row = await self._cloud.watch.until(
            nova_id,
            lambda row: row is None or (row["status"] != "BUILD" and not row.get(TASK)),
            limit_s=limit_s,
            doing=doing,
        )
        if row is not None and row["status"] == "ERROR" and not row.get("fault"):
            return await self._cloud.server(nova_id)
        return row

    async def stop(self, guest_id: UUID, *, grace_s: float) -> None:
        """Nova asks the guest to power off and has a patience of its own; ours is `grace_s`.

        It has no call that cuts the power at once but to remove the server: its disks stay.
        """
        row = await self.here(guest_id)
        if row is None or row["status"] == "SHUTOFF":
            return
        doing = f"stop guest {guest_id}"
        if grace_s > 0 and row["status"] == "ACTIVE":
            with suppress(Conflict, NotThere):  # it is stopping already, or has stopped
                await self.act(row, {"os-stop": None}, doing)
            try:
                await self.until(
                    row["id"],
                    lambda now: now is None or now["status"] != "ACTIVE",
                    doing=doing,
                    limit_s=grace_s,
                )
            except Unknown:  # the grace is over
                pass
            else:
                return
        await self.delete(row)

    async def reboot(self, guest_id: UUID, *, force: bool) -> None:
        doing = f"reboot guest {guest_id}"
        row = await self.running(guest_id, doing)
        try:
            await self.act(row, {"reboot": {"type": "HARD" if force else "SOFT"}}, doing)
        except Conflict:
            now = await self._cloud.server(row["id"])
            if now is None or "reboot" not in str(now.get(TASK)):
                raise
        await self.settled(row["id"], ("ACTIVE",), doing)

    async def remove(self, guest_id: UUID) -> None:
        """Its servers on this host, and its ports once no server of it is left anywhere."""
        async with self._cloud.guests.held(guest_id):
            rows = await self.of(guest_id)
            for row in rows:
                if self.is_here(row):
                    await self.delete(row)
            if all(self.is_here(row) for row in rows):
                await self._cloud.ports.remove(guest_id)

    async def migrate(self, guest_id: UUID, target: str) -> None:
        """Nova moves it while it runs; one that it moves there already is waited for."""
        doing = f"migrate guest {guest_id} to {target}"
        rows = await self.of(guest_id)
        row = next((one for one in rows if host_of(one) in (self.host, target)), None)
        if row is None or row["status"] not in ("ACTIVE", "MIGRATING"):
            raise Refused(f"{doing}: it does not run on {self.host}")
        if host_of(row) == target and row["status"] == "ACTIVE":
            return
        if row["status"] == "ACTIVE":
            asked = {"os-migrateLive": {"host": target, "block_migration": "auto"}}
            await self.act(row, asked, doing)
        row = await self.settled(row["id"], ("ACTIVE",), doing)
        if host_of(row) != target:
            raise Refused(f"{doing}: it stayed on {host_of(row)}: {await self._why_not(row)}")

    async def _why_not(self, row: Row) -> str:
        """What Nova says of the last migration; the action's events are for administrators."""
        try:
            path = f"/servers/{row['id']}/os-instance-actions"
            said = await self._client.get("compute", path, "ask why")
        except DriverError:
            return "Nova does not say why"
        tries = [one for one in said["instanceActions"] if one["action"] == "live-migration"]
        return (tries[0].get("message") if tries else "") or "the log of nova-compute says why"

    async def delete(self, row: Row) -> None:
        """Remove a server and wait until it is gone. Its volumes stay: see `adoption`."""
        doing = f"remove server {row['id']}"
        if not is_leaving(row):
            await self._client.delete("compute", f"/servers/{row['id']}", doing)

        def done(now: Row | None) -> bool:
            if now is not None and now["status"] == "ERROR" and not now.get(TASK):
                why = (now.get("fault") or {}).get("message", "")
                raise Unavailable(f"{doing}: it is in error after that: {why or 'no reason given'}")
            return now is None

        limit_s = self._client.settings.task_s
        if row["status"] == "ERROR":
            await self.until(row["id"], lambda now: now is None, doing=doing, limit_s=limit_s)
        else:
            await self.until(row["id"], done, doing=doing, limit_s=limit_s)

    async def act(self, row: Row, body: dict[str, Any], doing: str) -> Any:
        return await self._client.post("compute", f"/servers/{row['id']}/action", doing, body)

    async def settled(self, nova_id: str, statuses: tuple[str, ...], doing: str) -> Row:
        """Wait until Nova has nothing under way with a server; it must be in one of these then."""
        row = await self.until(
            nova_id,
            lambda now: now is None or not now.get(TASK),
            doing=doing,
            limit_s=self._client.settings.task_s,
        )
        if row is None or row["status"] not in statuses:
            state = "gone" if row is None else row["status"]
            why = "" if row is None else (row.get("fault") or {}).get("message", "")
            raise Refused(f"{doing}: it is {state} after that. {why}")
        return row

    async def until(
        self,
        nova_id: str,
        done: Callable[[Row | None], bool],
        *,
        doing: str,
        limit_s: float,
    ) -> Row | None:
        return await self._cloud.watch.until(nova_id, done, limit_s=limit_s, doing=doing)
