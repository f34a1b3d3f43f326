"""Pools of storage: a repository that is there by its name or uuid, or one that is made.

`presetup://NAME` is an SR that an administrator made. `nfs://server/path` and
`iscsi://target/iqn/lun` are found by what they are plugged into, and made where they are not there.
A repository is usable from a host when it has a PBD there that is attached.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET

from drivers.contract.errors import DriverError, Refused, Unavailable
from drivers.contract.storage import PoolFacts, PoolSpec
from drivers.xapi.client import Line
from drivers.xapi.errors import code_of, unless
from drivers.xapi.marks import Record

POOL_TYPES = {
    "presetup": "PreSetup",
    "nfs": "NetworkFilesystem",
    "iscsi": "IscsiLUN",
}
LUN_MISSING = "SR_BACKEND_FAILURE_107"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A pool's URL, understood: a name or uuid of an SR, or what a new one is made of."""

    label: str = ""
    sr_type: str = ""
    device: tuple[tuple[str, str], ...] = ()
    lun: str = ""


@dataclass(frozen=True, slots=True)
class Repository:
    ref: str
    uuid: str


def read_url(pool: PoolSpec) -> Wanted:
    """Refused: a URL that this driver can never use."""
    url = urlsplit(pool.url)
    path = unquote(url.path).strip("/")
    match url.scheme.lower():
        case "presetup":
            label = path.rpartition("/")[2] or unquote(url.netloc)
            if label:
                return Wanted(label=label)
        case "nfs" | "networkfilesystem" if url.hostname and path:
            device = (("server", url.hostname), ("serverpath", f"/{path}"))
            return Wanted(sr_type="nfs", device=device)
        case "iscsi" if url.hostname and path.count("/") >= 1:
            iqn, _, lun = path.rpartition("/")
            target = f"{url.hostname}:{url.port}" if url.port else url.hostname
            return Wanted(
                sr_type="lvmoiscsi", device=(("target", target), ("targetIQN", iqn)), lun=lun
            )
    raise Refused(
        f"pool URL {pool.url!r} is not for XenServer: use presetup://NAME-OR-UUID-OF-THE-SR, "
        "nfs://SERVER/PATH or iscsi://TARGET/IQN/LUN"
    )


class Repositories:
    """The pools that one host uses."""

    def __init__(self, line: Line, host_uuid: str) -> None:
        self._line, self._host_uuid = line, host_uuid
        self._known: dict[str, Repository] = {}

    async def get(self, pool: PoolSpec) -> Repository:
        """The SR of a pool, from what was learned before, or by looking."""
        if pool.url not in self._known:
            found = await self._find(read_url(pool), pool)
            if found is None:
                raise Refused(f"pool {pool.url}: there is no such repository; add the pool again")
            self._known[pool.url] = found
        return self._known[pool.url]

    async def open(self, pool: PoolSpec) -> PoolFacts:
        """Find or make the repository, and plug it into this host."""
        wanted = read_url(pool)
        self._known.pop(pool.url, None)
        async with self._line.turn("pool", pool.url):
            found = await self._find(wanted, pool)
            if found is None:
                found = await self._make(wanted, pool)
            await self._plug(found, wanted, pool)
        self._known[pool.url] = found
        return await self.facts(pool)

    async def facts(self, pool: PoolSpec) -> PoolFacts:
        record = await self._record(pool)
        capacity_bytes = int(record["physical_size"])
        used_bytes = min(capacity_bytes, max(0, int(record["physical_utilisation"])))
        return PoolFacts(capacity_bytes=capacity_bytes, used_bytes=used_bytes)

    async def discs(self) -> Repository | None:
        """An ISO library that this host is plugged into and that can be written to, if any."""
        host = await self._line.host(self._host_uuid)
        query = 'field "content_type" = "iso"'
        found = await self._line.call("SR.get_all_records_where", query)
        plugged = {
            pbd["SR"]
            for pbd in (await self._line.call("PBD.get_all_records")).values()
            if pbd["host"] == host and pbd["currently_attached"]
        }
        for ref, record in sorted(found.items(), key=lambda one: str(one[1]["uuid"])):
            is_ours = record["type"] in ("iso", "nfs_iso") and not _is_tools(record)
            if is_ours and ref in plugged:
                return Repository(ref, record["uuid"])
        return None

    async def _record(self, pool: PoolSpec) -> Record:
        found = await self.get(pool)
        try:
            record: Record = await self._line.call("SR.get_record", found.ref)
        except DriverError as error:
            if code_of(error) == "HANDLE_INVALID":
                self._known.pop(pool.url, None)
                raise Unavailable(f"pool {pool.url}: its repository is not there now") from error
            raise
        return record

    async def _find(self, wanted: Wanted, pool: PoolSpec) -> Repository | None:
        records: Mapping[str, Record] = await self._line.call("SR.get_all_records")
        if wanted.label:
            named = [
                Repository(ref, one["uuid"])
                for ref, one in records.items()
                if wanted.label.lower() == one["uuid"] or wanted.label == one["name_label"]
            ]
            if len(named) == 1:
                return named[0]
            names = sorted({str(one["name_label"]) for one in records.values()})
            what = "names several repositories: use the uuid of one" if named else (
                f"names no repository of this pool; there are {', '.join(names)}"
            )  # fmt: skip
            raise Refused(f"pool {pool.url} {what}")
        for pbd in (await self._line.call("PBD.get_all_records")).values():
            config = pbd["device_config"]
            if all(config.get(name) == value for name, value in wanted.device):
                sr = records[pbd["SR"]]
                if sr["type"] == wanted.sr_type:
                    return Repository(pbd["SR"], sr["uuid"])
        return None

    async def _make(self, wanted: Wanted, pool: PoolSpec) -> Repository:
        device = dict(wanted.device)
        try:
            ref = await self._create(wanted, device, pool)
        except DriverError as error:
            if code_of(error) != LUN_MISSING:
                raise
            device["SCSIid"] = _scsi_id(error, wanted, pool)
            ref = await self._create(wanted, device, pool)
        return Repository(ref, await self._line.call("SR.get_uuid", ref))

    async def _create(self, wanted: Wanted, device: Mapping[str, str], pool: PoolSpec) -> str:
        host = await self._line.host(self._host_uuid)
        return await self._line.run(
            "SR.create", host, dict(device), 0, f"sagastack {pool.pool_id}",
            f"made by sagastack for {pool.url}", wanted.sr_type, "", True, {},
        )  # fmt: skip

    async def _plug(self, found: Repository, wanted: Wanted, pool: PoolSpec) -> None:
        """A host that joined later has no PBD yet; a local repository is another host's alone."""
        line = self._line
        host = await line.host(self._host_uuid)
        pbds = await line.call("PBD.get_all_records")
        here: list[tuple[str, Any]] = []
        others: list[Any] = []
        for ref, pbd in pbds.items():
            if pbd["SR"] == found.ref:
                if pbd["host"] == host:
                    here.append((ref, pbd))
                else:
                    others.append(pbd)
        if not here:
            record = await line.call("SR.get_record", found.ref)
            if others and not record["shared"]:
                raise Refused(
                    f"pool {pool.url}: {record['name_label']} is local storage of another host: "
                    "give it to that host alone (scope HOST)"
                )
            config = dict(others[0]["device_config"]) if others else dict(wanted.device)
            with unless("PBD_EXISTS"):
                made = {"host": host, "SR": found.ref, "device_config": config, "other_config": {}}
                here = [(await line.call("PBD.create", made), {"currently_attached": False})]
        for ref, pbd in here:
            if not pbd["currently_attached"]:
                await line.run("PBD.plug", ref)


def _scsi_id(error: DriverError, wanted: Wanted, pool: PoolSpec) -> str:
    """XAPI answers a request without a SCSI id with the LUNs that the target has, as XML."""
    params: tuple[str, ...] = getattr(error, "params", ())
    there = []
    for text in params:
        if "<LUN" not in text:
            continue
        for lun in ET.fromstring(text.strip().split("?>")[-1]).iter("LUN"):
            number = lun.findtext("LUNid", "").strip()
            there.append(number)
            if number == wanted.lun:
                return lun.findtext("SCSIid", "").strip()
    raise Refused(f"pool {pool.url}: the target has no LUN {wanted.lun}, but {', '.join(there)}")


def _is_tools(record: Record) -> bool:
    """The library of XenServer's own tools, which is read-only."""
    return str(record["other_config"].get("xensource_internal", "")) == "true" or (
        str(record["sm_config"].get("type", "")) == "iso"
        and "XenServer Tools" in record["name_label"]
    )
