"""What a server shows of the whole cloud, so that two servers can be compared row by row."""

from __future__ import annotations

from typing import Any

from tests.chaos.client import Client

# Lists that show every projection that the load changes, and much that it does not.
LISTS = {
    "listVirtualMachines": {},
    "listVolumes": {},
    "listNetworks": {},
    "listPublicIpAddresses": {"allocatedonly": False},
    "listInstanceGroups": {},
    "listAsyncJobs": {},
    "listResourceLimits": {},
    "listAccounts": {},
    "listUsers": {},
    "listDomains": {},
    "listHosts": {"type": "Routing"},
    "listStoragePools": {},
    "listZones": {},
    "listPods": {},
    "listClusters": {},
    "listTemplates": {"templatefilter": "all"},
    "listServiceOfferings": {},
    "listConfigurations": {},
    "listVlanIpRanges": {},
    "listRouters": {},
    "listSystemVms": {},
    "listEvents": {},
    "listAlerts": {},
    "listTags": {},
}
WITHOUT_LISTALL = ("listConfigurations", "listZones", "listPods", "listClusters")
# Measured when asked for, by each server for itself; and what names the server that was asked.
PASSING = (
    "cpuused",
    "memorykbs",
    "memoryintfreekbs",
    "memorytargetkbs",
    "cpuloadaverage",
    "networkkbsread",
    "networkkbswrite",
    "diskkbsread",
    "diskkbswrite",
    "diskioread",
    "diskiowrite",
    "memoryused",
    "memoryusedbytes",
    "lastpinged",
    "managementserverid",
    "managementserveruuid",
    "managementservername",
    "age",
)
PAGE = 500


async def picture(client: Client, server: int) -> dict[str, list[Any]]:
    """Every row of every list, without what passes."""
    return {command: await _rows(client, server, command, more) for command, more in LISTS.items()}


async def _rows(client: Client, server: int, command: str, more: dict[str, Any]) -> list[Any]:
    asked = dict(more) | ({} if command in WITHOUT_LISTALL else {"listall": True})
    found: list[Any] = []
    for page in range(1, 1000):
        told = await client.ask(server, command, page=page, pagesize=PAGE, **asked)
        rows = next((value for value in told.values() if isinstance(value, list)), [])
        found += [_lasting(row) for row in rows]
        if len(rows) < PAGE:
            break
    return found


def _lasting(thing: Any) -> Any:
    if isinstance(thing, dict):
        return {name: _lasting(value) for name, value in thing.items() if name not in PASSING}
    if isinstance(thing, list):
        return [_lasting(one) for one in thing]
    return thing


def differences(one: dict[str, list[Any]], other: dict[str, list[Any]]) -> list[str]:
    """The first things that two servers show differently, list by list."""
    found = []
    for command, rows in one.items():
        theirs = other[command]
        if rows != theirs:
            pairs = zip(rows, theirs, strict=False)
            where = next((pair for pair in pairs if pair[0] != pair[1]), None)
            found.append(f"{command}: {len(rows)} and {len(theirs)} rows; {_apart(where)}")
    return found


def _apart(pair: tuple[Any, Any] | None) -> str:
    if pair is None:
        return "one has more"
    ours, theirs = pair
    names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    told = {name: (ours.get(name), theirs.get(name)) for name in names[:4]}
    return f"{ours.get('name') or ours.get('id') or ours.get('jobid')} differs in {told}"
