"""What all sessions of a region share: one client, and one waiting for each kind of thing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from drivers.openstack.client import Client
from drivers.openstack.copies import Copies
from drivers.openstack.disks import Disks
from drivers.openstack.errors import NotThere
from drivers.openstack.flavors import Flavors
from drivers.openstack.images import Images
from drivers.openstack.locks import Locks
from drivers.openstack.ports import Ports
from drivers.openstack.translate import is_there
from drivers.openstack.volumes import Volumes
from drivers.openstack.watch import Row, Watch

# What has changed in this time is asked for in one listing; anything else is looked at by itself.
RECENT = timedelta(minutes=5)


class Cloud:
    """A region, connected."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.flavors = Flavors(client)
        self.ports = Ports(client)
        self.images = Images(client)
        self.volumes = Volumes(client)
        self.disks = Disks(client, self.volumes, self.images)
        self.copies = Copies(self.volumes, self.images, self.disks)
        self.guests = Locks()
        self.watch = Watch(self._look, pause_s=client.settings.poll_s)

    async def close(self) -> None:
        await self.client.close()

    async def server(self, nova_id: str) -> Row | None:
        try:
            said = await self.client.get("compute", f"/servers/{nova_id}", "look at a server")
        except NotThere:
            return None
        row: Row = said["server"]
        return row if is_there(row) else None

    async def servers(self, doing: str, **asked: Any) -> list[Row]:
        """Servers of the project, the oldest first."""
        found = await self.client.pages("compute", "/servers/detail", "servers", doing, **asked)
        there = [one for one in found if is_there(one)]
        return sorted(there, key=lambda one: (one["created"], one["id"]))

    async def _look(self, wanted: frozenset[str]) -> Mapping[str, Row]:
        """One that waits is looked at; many are found among what has changed lately."""
        found: dict[str, Row | None] = {}
        if len(wanted) > 1 and self.client.now is not None:
            since = (self.client.now - RECENT).strftime("%Y-%m-%dT%H:%M:%SZ")
            doing = "list the servers that changed"
            listed = await self.client.pages(
                "compute", "/servers/detail", "servers", doing, **{"changes-since": since}
            )
            found = {one["id"]: one if is_there(one) else None for one in listed}
        for one in wanted - found.keys():
            found[one] = await self.server(one)
        return {one: row for one, row in found.items() if row is not None}
