"""What is on a host now, in a few calls however many guests there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from drivers.contract.compute import GuestStatus
from drivers.contract.errors import Unavailable
from drivers.xapi import marks, translate
from drivers.xapi.client import Line
from drivers.xapi.errors import code_of
from drivers.xapi.guests import Guests
from drivers.xapi.marks import NULLS, Record

HERE = 'field "resident_on" = "{}"'
BELONGS = 'field "affinity" = "{}" and field "is_a_template" = "false"'
Records = Mapping[str, Record]


@dataclass(frozen=True, slots=True)
class Pool:
    """A host's guests with the records of the pool that they refer to."""

    guests: dict[str, Record]
    vbds: Records
    vdis: Records
    vifs: Records
    metrics: Records
    repositories: Records

    def devices(self, record: Record) -> Iterator[Record]:
        """A guest's VBDs, in the order of their places."""
        found = [self.vbds[one] for one in record["VBDs"] if one in self.vbds]
        yield from sorted(found, key=lambda one: int(one["userdevice"]))

    def path(self, device: Record) -> str:
        vdi = self.vdis.get(device["VDI"])
        if vdi is None or vdi["SR"] not in self.repositories:
            return ""
        return translate.disk_path(device, vdi, self.repositories[vdi["SR"]]["uuid"])

    def status(self, record: Record) -> GuestStatus:
        paths = [self.path(one) for one in self.devices(record) if one["VDI"] not in NULLS]
        cores = translate.cores(record, self.metrics)
        return translate.status(record, cores, tuple(path for path in paths if path))


async def look(line: Line, host: str) -> Pool:
    """Eight calls: what each guest refers to is joined here and not asked for one by one."""
    guests = await line.call("VM.get_all_records_where", HERE.format(host))
    off = await line.call("VM.get_all_records_where", BELONGS.format(host))
    guests = dict(guests) | {
        ref: record for ref, record in off.items() if record["resident_on"] in NULLS
    }
    kept = {
        ref: record
        for ref, record in guests.items()
        if not record["is_control_domain"]
        and not record["is_a_template"]
        and marks.RESTS not in record["other_config"]
    }
    return Pool(
        guests=kept,
        vbds=await line.call("VBD.get_all_records"),
        vdis=await line.call("VDI.get_all_records"),
        vifs=await line.call("VIF.get_all_records"),
        metrics=await line.call("VM_metrics.get_all_records"),
        repositories=await line.call("SR.get_all_records"),
    )


async def find(guests: Guests, guest_id: UUID) -> GuestStatus | None:
    """One guest of a host. Where a disk that it had is another by now (a move that ends, say), what
    it refers to is looked up anew."""
    for look_again in (True, True, False):
        found = await guests.here(guest_id)
        if found is None:
            break
        try:
            return await _look_at(guests.line, *found)
        except Unavailable as error:
            if code_of(error) != "HANDLE_INVALID" or not look_again:
                raise
    return None


async def _look_at(line: Line, ref: str, record: Record) -> GuestStatus:
    """The same as `look` of one guest, by what it refers to."""
    vbds, vdis, repositories, metrics = {}, {}, {}, {}
    for one in record["VBDs"]:
        vbds[one] = device = await line.call("VBD.get_record", one)
        if device["VDI"] in NULLS:
            continue
        vdis[device["VDI"]] = vdi = await line.call("VDI.get_record", device["VDI"])
        if vdi["SR"] not in repositories:
            repositories[vdi["SR"]] = {"uuid": await line.sr_uuid(vdi["SR"])}
    if record["metrics"] not in NULLS:
        metrics[record["metrics"]] = await line.call("VM_metrics.get_record", record["metrics"])
    pool = Pool({ref: record}, vbds, vdis, {}, metrics, repositories)
    return pool.status(record)
