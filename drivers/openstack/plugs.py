"""Disks and cards of a guest that runs: attached and let go of by Nova."""

from __future__ import annotations

from uuid import UUID

from drivers.contract.compute import DiskAttachment, NicSpec
from drivers.contract.errors import Refused, Unavailable
from drivers.openstack import names
from drivers.openstack.cloud import Cloud
from drivers.openstack.errors import NotThere
from drivers.openstack.guests import Guests
from drivers.openstack.translate import volumes_of
from drivers.openstack.volumes import first_whole
from drivers.openstack.watch import Row


class Plugs:
    """What is plugged into the guests of one host."""

    def __init__(self, cloud: Cloud, guests: Guests) -> None:
        self._cloud, self._guests, self._client = cloud, guests, cloud.client

    async def attach_disk(self, guest_id: UUID, disk: DiskAttachment) -> None:
        doing = f"attach disk {disk.volume_id} to guest {guest_id}"
        if disk.is_cdrom:
            raise Refused(f"{doing}: Nova puts no disc into a drive")
        row = await self._guests.running(guest_id, doing)
        rows = await self._cloud.volumes.listing(**{names.VOLUME: str(disk.volume_id)})
        pool = names.pool_in(disk.path)
        volume = first_whole(one for one in rows if one["metadata"].get(names.POOL) == pool)
        if volume is None:
            raise Refused(f"{doing}: there is no such disk in {disk.path}")
        if volume["id"] not in volumes_of(row):
            volume = await self._cloud.disks.unused(volume, doing)
            path = f"/servers/{row['id']}/os-volume_attachments"
            asked = {"volumeId": volume["id"], "delete_on_termination": False}
            await self._client.post("compute", path, doing, {"volumeAttachment": asked})
        volume = await self._cloud.volumes.until(volume["id"], ("in-use", "available"), doing)
        if volume["status"] != "in-use":
            raise Unavailable(f"{doing}: Nova gave it up; the log of nova-compute says why")

    async def detach_disk(self, guest_id: UUID, volume_id: UUID) -> None:
        """The guest has let go of it once Cinder has the volume back."""
        doing = f"detach disk {volume_id} from guest {guest_id}"
        row = await self._guests.here(guest_id)
        has = await self._has(row, volume_id)
        if row is None or has is None:
            return
        if has["status"] != "detaching":
            path = f"/servers/{row['id']}/os-volume_attachments/{has['id']}"
            await self._client.delete("compute", path, doing)
        await self._guests.until(
            row["id"],
            lambda now: now is None or has["id"] not in volumes_of(now),
            doing=doing,
            limit_s=self._client.settings.task_s,
        )
        if (left := await self._cloud.volumes.get(has["id"])) is not None:
            await self._cloud.disks.unused(left, doing)

    async def volume_of(self, guest_id: UUID, volume_id: UUID, doing: str) -> Row:
        """The volume that a running guest has under one of our ids; Refused if it has none."""
        row = await self._guests.running(guest_id, doing)
        if (has := await self._has(row, volume_id)) is None:
            raise Refused(f"{doing}: guest {guest_id} has no disk {volume_id}")
        return has

    async def _has(self, row: Row | None, volume_id: UUID) -> Row | None:
        if row is None:
            return None
        for one in (await self._cloud.volumes.some(volumes_of(row))).values():
            if one["metadata"].get(names.VOLUME) == str(volume_id):
                return one
        return None

    async def attach_nic(self, guest_id: UUID, nic: NicSpec, network: str) -> None:
        doing = f"attach card {nic.mac} to guest {guest_id}"
        row = await self._guests.running(guest_id, doing)
        (port_id,) = await self._cloud.ports.ensure(guest_id, (nic,), network)
        if port_id in await self._ports_of(row):
            return
        path = f"/servers/{row['id']}/os-interface"
        asked = {"interfaceAttachment": {"port_id": port_id}}
        await self._client.post("compute", path, doing, asked)

    async def detach_nic(self, guest_id: UUID, nic_id: UUID) -> None:
        doing = f"detach card {nic_id} from guest {guest_id}"
        row = await self._guests.here(guest_id)
        for port in await self._cloud.ports.named(nic_id):
            if row is not None and port["id"] in await self._ports_of(row):
                path = f"/servers/{row['id']}/os-interface/{port['id']}"
                await self._client.delete("compute", path, doing)
                await self._let_go(row, port["id"], doing)
            await self._cloud.ports.drop(port["id"])

    async def _let_go(self, row: Row, port_id: str, doing: str) -> None:
        end_s = self._client.settings.task_s
        for _ in range(max(1, int(end_s / self._client.settings.poll_s))):
            if port_id not in await self._ports_of(row):
                return
            await self._cloud.watch.pause()
        raise Unavailable(f"{doing}: the guest did not let go of it in {end_s:g} s")

    async def _ports_of(self, row: Row) -> set[str]:
        path = f"/servers/{row['id']}/os-interface"
        try:
            said = await self._client.get("compute", path, f"list the cards of {row['id']}")
        except NotThere:
            return set()
        return {one["port_id"] for one in said["interfaceAttachments"]}
