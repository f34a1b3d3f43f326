"""Servers that no controller made: found with their disks and cards, taken over and let go of.

Only servers that start from a volume are taken over: a root disk that Nova keeps on a host goes
with its server, and ours must stay. Volumes that were to go with their server are told to stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from uuid import UUID

from drivers.contract.compute import Adoption, Power, Stranger, StrangerDisk, StrangerNic
from drivers.contract.errors import Refused
from drivers.openstack import names
from drivers.openstack.cloud import Cloud
from drivers.openstack.guests import Guests
from drivers.openstack.translate import POWER, volumes_of
from drivers.openstack.volumes import GIB
from drivers.openstack.watch import Row

# From here on Nova lets a volume be told to stay when its server goes.
KEEP_VERSION = "compute 2.85"


def names_of(rows: Iterable[Row]) -> dict[str, str]:
    """What each server is called: by its name, or where two have one by Nova's id as well."""
    rows = list(rows)
    often = Counter(one["name"] for one in rows)
    return {
        one["id"]: one["name"] if often[one["name"]] == 1 else f"{one['name']} ({one['id']})"
        for one in rows
    }


def _stranger(row: Row, name: str, volumes: Mapping[str, Row], ports: list[Row]) -> Stranger:
    disks = [volumes[one] for one in volumes_of(row) if one in volumes]
    return Stranger(
        name=name,
        power=POWER.get(row["status"], Power.RUNNING),
        cpu_count=row["flavor"].get("vcpus", 0),
        memory_mib=row["flavor"].get("ram", 0),
        disks=tuple(
            StrangerDisk(
                label=_device(one, row["id"]),
                path=names.volume_path(one),
                size_bytes=one["size"] * GIB,
                image_format="raw",
            )
            for one in disks
        ),
        nics=tuple(
            StrangerNic(mac=one["mac_address"], bridge=one["network_id"])
            for one in ports
            if one["device_id"] == row["id"]
        ),
    )


def _device(volume: Row, nova_id: str) -> str:
    """The device that a server has a volume as."""
    for one in volume["attachments"]:
        if one["server_id"] == nova_id:
            return str(one.get("device") or "")
    return ""


class Strangers:
    """The servers on one host that no controller made."""

    def __init__(self, cloud: Cloud, guests: Guests) -> None:
        self._cloud, self._guests, self._client = cloud, guests, cloud.client

    async def survey(self) -> list[Stranger]:
        rows = await self._guests.listing()
        called = names_of(rows)
        strange = [one for one in rows if names.guest_of(one) is None]
        if not strange:
            return []
        has = {volume for one in strange for volume in volumes_of(one)}
        volumes = await self._cloud.volumes.some(has)
        with_net = await self._client.has("network")
        ports = await self._cloud.ports.all_of_servers() if with_net else []
        return [_stranger(one, called[one["id"]], volumes, ports) for one in strange]

    async def adopt(self, stranger: str, adoption: Adoption, *, key: UUID) -> None:
        doing = f"adopt server {stranger!r}"
        if await self._guests.here(adoption.guest_id) is not None:
            return
        rows = await self._guests.listing()
        called = names_of(rows)
        found = [one for one in rows if stranger in (called[one["id"]], one["id"])]
        found = [one for one in found if names.guest_of(one) is None]
        if len(found) != 1:
            raise Refused(f"{doing}: {len(found)} servers that are nobody's are called so here")
        row = found[0]
        if row["image"]:
            raise Refused(
                f"{doing}: its root disk is on its compute host and would go with the server. "
                "Make an image of it, and a volume of that, and start it from the volume"
            )
        await self._keep_volumes(row, doing)
        marks = {"metadata": {names.KEY: str(key)}}
        path = f"/servers/{row['id']}"
        await self._client.post("compute", f"{path}/metadata", doing, marks)
        tag = f"{path}/tags/{names.guest_tag(adoption.guest_id)}"
        await self._client.call("PUT", "compute", tag, doing)

    async def disown(self, guest_id: UUID) -> None:
        doing = f"let go of guest {guest_id}"
        for row in await self._guests.of(guest_id):
            if self._guests.is_here(row):
                tag = f"/servers/{row['id']}/tags/{names.guest_tag(guest_id)}"
                await self._client.delete("compute", tag, doing)

    async def _keep_volumes(self, row: Row, doing: str) -> None:
        for one in row.get("os-extended-volumes:volumes_attached", ()):
            if one.get("delete_on_termination"):
                path = f"/servers/{row['id']}/os-volume_attachments/{one['id']}"
                asked = {"volumeId": one["id"], "delete_on_termination": False}
                body = {"volumeAttachment": asked}
                await self._client.call(
                    "PUT", "compute", path, doing, body=body, version=KEEP_VERSION
                )
