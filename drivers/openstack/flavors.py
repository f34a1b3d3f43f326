"""Flavours: Nova sizes servers by them only, so each size that is wanted has one.

One that is there already is taken. Where there is none and the credentials may, it is made, under
a name that says its size; flavours are small, shared, and stay.
"""

from __future__ import annotations

from drivers.contract.errors import Refused
from drivers.openstack.client import Client
from drivers.openstack.errors import Conflict, Denied
from drivers.openstack.locks import Locks


class Flavors:
    """Flavours by their cores and memory, with no disk of their own if there is a choice."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[tuple[int, int], str] = {}
        self._locks = Locks()

    async def find(self, cpu_count: int, memory_mib: int) -> str:
        """The id of one of this size."""
        size = (cpu_count, memory_mib)
        async with self._locks.held(size):
            if size not in self._known:
                found = await self._there(*size)
                self._known[size] = found or await self._make(*size)
            return self._known[size]

    def forget(self, cpu_count: int, memory_mib: int) -> None:
        """Nova does not know it any more: look anew next time."""
        self._known.pop((cpu_count, memory_mib), None)

    async def _there(self, cpu_count: int, memory_mib: int) -> str:
        rows = await self._client.pages("compute", "/flavors/detail", "flavors", "list sizes")
        found = [one for one in rows if (one["vcpus"], one["ram"]) == (cpu_count, memory_mib)]
        plain = [one for one in found if not one.get("extra_specs")] or found
        plain.sort(key=lambda one: (one["disk"], one["OS-FLV-EXT-DATA:ephemeral"], one["id"]))
        return str(plain[0]["id"]) if plain else ""

    async def _make(self, cpu_count: int, memory_mib: int) -> str:
        name = f"sagastack-{cpu_count}c-{memory_mib}m"
        doing = f"make a flavor of {cpu_count} cores and {memory_mib} MiB"
        body = {
            "name": name,
            "id": name,
            "vcpus": cpu_count,
            "ram": memory_mib,
            "disk": 0,
            "os-flavor-access:is_public": True,
        }
        try:
            said = await self._client.post("compute", "/flavors", doing, {"flavor": body})
        except Conflict:
            return name
        except Denied as denied:
            raise Refused(
                f"region {self._client.region.name} has no flavor of {cpu_count} cores and "
                f"{memory_mib} MiB, and {self._client.region.user} may not make one: let an "
                "administrator make it, or offer guests of the sizes that are there"
            ) from denied
        return str(said["flavor"]["id"])
