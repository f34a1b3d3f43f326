"""What holds the event loop up, operation by operation, in a cloud of 30,000 hosts and 100,000
guests.

While the loop does one thing it does nothing else: no answer, no step of anybody's job. So what is
dear is to be found by an index or done in pieces, however large the cloud. One client asks for one
thing after another, as tenants and operators do. A watchdog that wants to be woken every
millisecond notes what the loop's thread computed meanwhile, whatever else the machine does, and how
late it was; of each kind of operations the worst is told. The client is in the same loop, and what
it reads of a long answer, some milliseconds, is part of it.

A full collection walks all that came since the start, once in 25 million objects that came, in
whatever operation it falls. So it is made between two kinds, and told by itself: all such walks
together are what one of them would take.

`DEPLOY_HOSTS` and `DEPLOY_GUESTS` make it smaller, for a look.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import aiohttp

from benchmarks.cloud import ISOLATED, NETWORK, OFFERING, POD, ZONE, named
from benchmarks.deploy_http import HOSTS, MANY, PARAMS, bench
from engine.chores.chore import CHORES
from engine.clock import SystemClock
from engine.collector import settle
from engine.engine import Engine
from engine.genesis import BUILTIN_TEMPLATE, ROOT_DOMAIN
from engine.history import KEPT_MOMENTS
from projections.host import hosts
from sagastack.client import Client, Refusal

TICK_S, BETWEEN_S, AFTER_S = 0.001, 0.05, 0.01
SHOWN = 4
Row = dict[str, Any]
PERSON = {
    "username": "tenant",
    "password": "a-password-to-try",
    "email": "tenant@example.com",
    "firstname": "A",
    "lastname": "Tenant",
}


class Held:
    """The longest that the loop computed in one go, and the latest that it was, since `clear`."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.computed_s = self.late_s = 0.0

    async def watch(self) -> None:
        while True:
            asked_s, spent_s = time.perf_counter(), time.thread_time()
            await asyncio.sleep(TICK_S)
            self.computed_s = max(self.computed_s, time.thread_time() - spent_s)
            self.late_s = max(self.late_s, time.perf_counter() - asked_s - TICK_S)


class Asking:
    """Asks for one thing at a time, and notes what it was and how long the loop was held up."""

    def __init__(self, client: Client, engine: Engine, held: Held) -> None:
        self._client, self.engine, self._held = client, engine, held
        self.worst: dict[str, dict[str, float]] = {}
        self.late_s: dict[str, float] = {}
        self.kind = ""

    async def __call__(self, command: str, label: str = "", /, **params: Any) -> dict[str, Any]:
        """The inside of the answer or of the job's result; empty if it was refused."""
        async with self.noted(f"{command} {label}".strip()):
            try:
                told = await self._client.call(command, **params)
                if "jobid" in told:
                    told = await self._client.wait(command, told["jobid"])
            except Refusal:
                if not label.startswith("refused"):
                    raise
                told = {}
        return told

    @asynccontextmanager
    async def noted(self, what: str) -> AsyncIterator[None]:
        """Note by this name how long the loop is held up by what is done inside."""
        await asyncio.sleep(BETWEEN_S)
        self._held.clear()
        yield
        await asyncio.sleep(AFTER_S)
        self.worst.setdefault(self.kind, {})[what] = 1000 * self._held.computed_s
        self.late_s[self.kind] = max(self.late_s.get(self.kind, 0.0), self._held.late_s)


async def measure() -> list[Row]:
    held = Held()
    async with bench(HOSTS, MANY) as one, aiohttp.ClientSession() as session:
        keys = one.keys["apikey"], one.keys["secretkey"]
        client = Client(session, one.cloud.endpoint, *keys, SystemClock())
        ask = Asking(client, one.cloud.engine, held)
        settle()
        walks_s = 0.0
        async with asyncio.TaskGroup() as group:
            watchdog = group.create_task(held.watch(), name="watchdog")
            for kind, work in KINDS.items():
                ask.kind = kind
                await work(ask)
                began_s = time.thread_time()
                settle()
                walks_s += time.thread_time() - began_s
            watchdog.cancel()
    rows = [_row(kind, worst, ask.late_s[kind]) for kind, worst in ask.worst.items()]
    return [*rows, {"name": "stalls.collector", "value": round(1000 * walks_s, 1), "unit": "ms"}]


def _row(kind: str, worst: dict[str, float], late_s: float) -> Row:
    first, *others = sorted(worst.items(), key=lambda pair: -pair[1])[:SHOWN]
    rest = "".join(f"; {name} {ms:.0f} ms" for name, ms in others)
    return {
        "name": f"stalls.{kind}",
        "value": round(first[1], 1),
        "unit": "ms of the loop in one go",
        "note": f"{first[0]}, the worst of {len(worst)}{rest}; of all, it was late by "
        f"{1000 * late_s:.0f} ms at most",
    }


async def deploys(ask: Asking) -> None:
    await ask("deployVirtualMachine", **PARAMS)
    for kind in ("host anti-affinity", "host affinity", "non-strict host anti-affinity"):
        made = await ask("createAffinityGroup", kind, name=kind, type=kind)
        into = {"affinitygroupids": made["affinitygroup"]["id"]}
        for number in range(2):
            await ask("deployVirtualMachine", f"{kind} {number}", **PARAMS, **into)
        await ask("listAffinityGroups", kind, id=into["affinitygroupids"])
    for rule in ("userdispersing", "firstfitleastconsumed", "firstfit", "random"):
        await ask("updateConfiguration", rule, name="vm.allocation.algorithm", value=rule)
        await ask("deployVirtualMachine", rule, **PARAMS)


async def refusals(ask: Asking) -> None:
    """What fits nowhere, each for another reason."""
    sized: dict[str, Any] = {"cpunumber": 1, "cpuspeed": 500, "memory": 512}
    asked: dict[str, dict[str, Any]] = {
        "of size": {"cpunumber": 64, "cpuspeed": 9000, "memory": 900_000},
        "of host tag": sized | {"hosttags": "nobody"},
        "of pool tag": sized | {"tags": "nobody"},
    }
    for label, fields in asked.items():
        made = await ask("createServiceOffering", label, name=label, displaytext=label, **fields)
        offering = made["serviceoffering"]["id"]
        wanted = PARAMS | {"serviceofferingid": offering}
        await ask("deployVirtualMachine", f"refused {label}", **wanted)
        await ask("deleteServiceOffering", label, id=offering)
    await ask("deployVirtualMachine", "refused of disk", **PARAMS, rootdisksize=65_000)


async def guests(ask: Asking) -> None:
    ids = [await _deployed(ask, f"to use {number}") for number in range(4)]
    await ask("findHostsForMigration", virtualmachineid=ids[0])
    await ask("migrateVirtualMachine", virtualmachineid=ids[0])
    await ask("stopVirtualMachine", id=ids[0])
    await ask("startVirtualMachine", id=ids[0])
    await ask("rebootVirtualMachine", id=ids[0])
    await ask("updateVirtualMachine", id=ids[1], displayname="renamed")
    await ask("createTags", resourcetype="UserVm", resourceids=ids[1], **_tag())
    await ask("stopVirtualMachine", "to restore", id=ids[2])
    await ask("restoreVirtualMachine", virtualmachineid=ids[2])
    await ask("destroyVirtualMachine", id=ids[2])
    await ask("recoverVirtualMachine", id=ids[2])
    await ask("destroyVirtualMachine", "at once", id=ids[3], expunge="true")


async def _deployed(ask: Asking, label: str) -> str:
    """A guest that the hosts know: those that were there before are in the log alone."""
    made = await ask("deployVirtualMachine", label, **PARAMS)
    return str(made["virtualmachine"]["id"])


def _tag() -> dict[str, str]:
    return {"tags[0].key": "role", "tags[0].value": "web"}


async def places(ask: Asking) -> None:
    """Hosts, clusters, pods and zones that change, and a deploy that sees it."""
    ids = [str(row.id) for row in islice(ask.engine.cloud[hosts], 1, 6)]
    cluster = str(named("cluster-3"))
    changes: list[tuple[str, dict[str, Any]]] = [
        ("updateHost", {"id": ids[0], "hosttags": "a,b"}),
        ("updateHost", {"id": ids[1], "allocationstate": "Disable"}),
        ("reconnectHost", {"id": ids[2]}),
        ("updateCluster", {"id": cluster, "allocationstate": "Disabled"}),
        ("updatePod", {"id": POD, "allocationstate": "Disabled"}),
        ("updatePod", {"id": POD, "allocationstate": "Enabled"}),
        ("updateZone", {"id": ZONE, "allocationstate": "Disabled"}),
        ("updateZone", {"id": ZONE, "allocationstate": "Enabled"}),
        ("dedicateHost", {"hostid": ids[3], "domainid": ROOT_DOMAIN}),
        ("deleteHost", {"id": ids[4], "forced": "true"}),
    ]
    for number, (command, params) in enumerate(changes):
        await ask(command, f"{number}", **params)
        if params.get("allocationstate") != "Disabled":
            await ask("deployVirtualMachine", f"after {command} {number}", **PARAMS)
    for name, value in (("cpu.overprovisioning.factor", "2"), ("mem.overprovisioning.factor", "2")):
        await ask("updateConfiguration", name, name=name, value=value)
        await ask("deployVirtualMachine", f"after {name}", **PARAMS)


async def storage(ask: Asking) -> None:
    pool = str(named("pool 2"))
    await ask("enableStorageMaintenance", id=pool)
    await ask("cancelStorageMaintenance", id=pool)
    await ask("updateStoragePool", id=str(named("pool 1")), enabled="false")
    await ask("deployVirtualMachine", "after updateStoragePool", **PARAMS)
    made = await ask("createDiskOffering", name="disk", displaytext="disk", customized="true")
    offering = made["diskoffering"]["id"]
    sized = {"diskofferingid": offering, "size": 1}
    made = await ask("createVolume", name="disk", zoneid=ZONE, **sized)
    disk, guest = made["volume"]["id"], await _deployed(ask, "to attach to")
    await ask("attachVolume", id=disk, virtualmachineid=guest)
    await ask("createSnapshot", volumeid=disk)
    await ask("resizeVolume", id=disk, size=2)
    await ask("detachVolume", id=disk)
    await ask("findStoragePoolsForMigration", id=disk)
    await ask("deleteVolume", id=disk)
    await ask("deleteDiskOffering", id=offering)


async def tenants(ask: Asking) -> None:
    """Networks, accounts and limits."""
    account = await ask("createAccount", **PERSON, accounttype=0)
    owner = {"account": account["account"]["name"], "domainid": ROOT_DOMAIN}
    wanted = {"displaytext": "new", "networkofferingid": ISOLATED, "zoneid": ZONE} | owner
    made = await ask("createNetwork", name="new", **wanted)
    await ask("deployVirtualMachine", **PARAMS | {"networkids": made["network"]["id"]}, **owner)
    empty = await ask("createNetwork", "empty", name="empty", **wanted)
    await ask("deleteNetwork", id=empty["network"]["id"])
    await ask("updateNetwork", id=NETWORK, displaytext="renamed")
    await ask("restartNetwork", id=NETWORK)
    await ask("updateServiceOffering", id=OFFERING, displaytext="renamed")
    await ask("updateTemplate", id=BUILTIN_TEMPLATE, displaytext="renamed")
    await ask("updateResourceLimit", resourcetype=0, max=9, **owner)
    await ask("updateResourceCount", domainid=ROOT_DOMAIN)
    await ask("updateAccount", account="admin", domainid=ROOT_DOMAIN, newname="renamed")
    user = await ask("createUser", **PERSON | {"username": "other"}, **owner)
    await ask("deleteUser", id=user["user"]["id"])
    await ask("deployVirtualMachine", "after all", **PARAMS)


async def lists(ask: Asking) -> None:
    """A first question each: nobody has asked for it since the cloud changed."""
    page = {"page": 1, "pagesize": 500, "listall": "true"}
    host = str(next(iter(ask.engine.cloud[hosts])).id)
    filters: dict[str, Any] = {
        "keyword": "guest-99", "state": "Stopped", "hostid": host, "podid": POD,
        "templateid": BUILTIN_TEMPLATE, "serviceofferingid": OFFERING, "networkid": NETWORK,
        "storageid": str(named("pool 0")),
    }  # fmt: skip
    await ask("listVirtualMachines", **page)
    for name, value in filters.items():
        await ask("listVirtualMachines", f"by {name}", **page, **{name: value})
    await ask("listVirtualMachines", "by tag", **page, **_tag())
    for command in (
        "listVolumes", "listHosts", "listEvents", "listAsyncJobs", "listPublicIpAddresses",
        "listClusters", "listStoragePools", "listNetworks", "listAlerts", "listCapacity",
        "listVirtualMachinesMetrics", "listVolumesMetrics", "listHostsMetrics",
        "listClustersMetrics", "listZonesMetrics", "listInfrastructure",
    ):  # fmt: skip
        await ask(command, **page)
    await ask("listEvents", "by keyword", **page, keyword="nowhere")
    await ask("listUsageRecords", **page, startdate=_now()[:10], enddate=_now()[:10])


async def past(ask: Asking) -> None:
    """The cloud is folded anew, without a checkpoint, and so often that the first one is let go."""
    for number in range(KEPT_MOMENTS + 1):
        await ask("deployVirtualMachine", f"before {number}", **PARAMS)
        asked = {"listall": "true", "page": 1, "pagesize": 500, "asof": _now()}
        await ask("listVirtualMachines", f"by asof {number}", **asked)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


async def chores(ask: Asking) -> None:
    """What the controller sees to by itself, all of it at once."""
    for name, one in CHORES.items():
        async with ask.noted(name):
            await one.do(ask.engine, SystemClock().now_ms())


KINDS = {
    "deploys": deploys,
    "refusals": refusals,
    "guests": guests,
    "places": places,
    "storage": storage,
    "tenants": tenants,
    "lists": lists,
    "chores": chores,
    "past": past,
}


if __name__ == "__main__":
    for result in asyncio.run(measure()):
        print(result)
