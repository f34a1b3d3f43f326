"""Another type for a volume: Cinder copies it, and Nova lets a running guest go on from the copy.

Cinder says that it is done before Nova has written down by which attachment the guest has its disk
now. A guest that is removed in between takes the old attachment with it, which is no more, and its
volume stays in use by nobody. So a retype is over when Nova's own swap is.
Public sources: Cinder's volume states and `os-retype`, Nova's instance actions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Set
from typing import Any

from drivers.contract.errors import Refused, Unavailable
from drivers.openstack.client import Client
from drivers.openstack.errors import Denied, Invalid, NotThere, of_fault
from drivers.openstack.volumes import Volumes
from drivers.openstack.watch import Row

SWAP = "swap_volume"
LEFT = (
    "Cinder left the volume of type {}; the logs of Cinder's scheduler and volume service, and of "
    "Nova's compute service for a running guest, say why"
)


class Retypes:
    """Types of volumes, given and awaited."""

    def __init__(self, client: Client, volumes: Volumes) -> None:
        self._client, self._volumes = client, volumes

    async def give(self, row: Row, wanted: str, doing: str) -> Row:
        """The volume once it is of this type; an empty one is whatever it is of.

        What is under way with it ends first: that may be what an earlier try asked for. Refused
        or Unavailable: Cinder has given up and left the volume as it was.
        """
        row = await self._over(row, frozenset(), doing)
        if not wanted or row["volume_type"] == wanted:
            return row
        known, began = await self._swaps(row), self._client.now
        asked = {"new_type": wanted, "migration_policy": "on-demand"}
        try:
            await self._volumes.act(row, "os-retype", asked, doing)
        except Invalid as refused:
            raise Refused(f"{refused}. The volume is {row['status']}") from refused
        row = await self._over(row, known, doing)
        if row["volume_type"] != wanted:
            why = await self._volumes.why(row["id"], began)
            raise of_fault(why or LEFT.format(row["volume_type"]), doing=doing)
        return row

    async def _over(self, row: Row, known: Set[str], doing: str) -> Row:
        """The volume when neither Cinder nor Nova has anything under way with it.

        Nova has only its own record left to write by then: one that is late does not hold it up
        for ever, since `Disks.unused` frees what it may leave.
        """
        now = await self._volumes.settled(row["id"], doing)
        for server_id in _servers(row) | (_servers(now) if now else set()):
            await self._swapped(server_id, known)
            now = await self._volumes.get(row["id"])
        if now is None:
            raise Unavailable(f"{doing}: the volume is gone")
        if now["status"].startswith("error"):
            why = await self._volumes.why(now["id"], None)
            raise of_fault(f"the volume is {now['status']}. {why}".strip(), doing=doing)
        return now

    async def _swapped(self, server_id: str, known: Set[str]) -> None:
        try:
            async with asyncio.timeout(self._client.settings.task_s):
                while await self._swaps_now(server_id, known):
                    await self._volumes.pause()
        except TimeoutError:
            return

    async def _swaps_now(self, server_id: str, known: Set[str]) -> bool:
        """Whether the newest swap, other than those known, is not over.

        A service that does not answer is asked again; who may not ask takes Cinder's word.
        """
        try:
            found = await self._actions(server_id)
            if not found or found[-1]["request_id"] in known:
                return False
            path = f"/servers/{server_id}/os-instance-actions/{found[-1]['request_id']}"
            said = await self._client.get("compute", path, f"look at a swap of {server_id}")
        except Unavailable:
            return True
        except (NotThere, Denied):
            return False
        events = said["instanceAction"].get("events") or ()
        return not events or any(one.get("finish_time") is None for one in events)

    async def _swaps(self, row: Row) -> Set[str]:
        """The swaps that Nova has recorded of the servers that have a volume."""
        known: set[str] = set()
        for server_id in _servers(row):
            try:
                known |= {one["request_id"] for one in await self._actions(server_id)}
            except (NotThere, Denied):
                continue
        return known

    async def _actions(self, server_id: str) -> list[dict[str, Any]]:
        """Nova's swaps of a server's volumes, the oldest first."""
        path = f"/servers/{server_id}/os-instance-actions"
        said = await self._client.get("compute", path, f"list the actions of {server_id}")
        swaps = [one for one in said["instanceActions"] if one["action"] == SWAP]
        return sorted(swaps, key=lambda one: str(one["start_time"]))


def _servers(row: Row) -> set[str]:
    return {one["server_id"] for one in row["attachments"]}
