"""VDIs of ours: found by id, made, claimed and taken away.

Whatever makes a VDI first makes one that is nobody's, and claims it when it is whole; what a crash
left unfinished is swept by the next who makes or removes the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from drivers.contract.errors import DriverError, Refused
from drivers.xapi import marks
from drivers.xapi.client import Line
from drivers.xapi.errors import code_of
from drivers.xapi.marks import NULLS, Kind, Mark, Record
from drivers.xapi.paths import path_of, read_path, stranger_path
from drivers.xapi.repositories import Repository

GRAIN_BYTES = 2 * 1024**2
LABELLED = 'field "name__label" = "{}"'


@dataclass(frozen=True, slots=True)
class Vdi:
    ref: str
    record: Record
    mark: Mark | None = None

    @property
    def size_bytes(self) -> int:
        return int(self.record["virtual_size"])

    @property
    def used_bytes(self) -> int:
        return max(0, int(self.record["physical_utilisation"]))


def whole_grains(size_bytes: int) -> int:
    return -(-size_bytes // GRAIN_BYTES) * GRAIN_BYTES


def path(vdi: Vdi, sr_uuid: str) -> str:
    if vdi.mark is not None:
        return path_of(sr_uuid, vdi.mark.kind, vdi.mark.id)
    return stranger_path(sr_uuid, vdi.record["name_label"], vdi.record["uuid"])


async def labelled(line: Line, label: UUID | str) -> dict[str, Record]:
    found: dict[str, Record] = await line.call("VDI.get_all_records_where", LABELLED.format(label))
    return found


def newest(records: Mapping[str, Record], sr: str, kind: Kind, thing: UUID) -> Vdi | None:
    """Of several that are the same, the one that counts."""
    found = []
    for ref, record in records.items():
        mark = marks.read(record)
        if mark is not None and record["SR"] == sr and (mark.kind, mark.id) == (kind, thing):
            found.append(Vdi(ref, record, mark))
    return max(found, key=lambda one: one.mark.generation if one.mark else 0, default=None)


async def find(
    line: Line, sr: str, kind: Kind, thing: UUID, *, thorough: bool = True
) -> Vdi | None:
    """By its label, which is its id; if a person has changed that, by looking at all."""
    found = newest(await labelled(line, thing), sr, kind, thing)
    if found is None and thorough:
        found = newest(await everything(line, sr), sr, kind, thing)
    return found


async def everything(line: Line, sr: str) -> dict[str, Record]:
    found: dict[str, Record] = await line.call("VDI.get_all_records_where", f'field "SR" = "{sr}"')
    return found


async def at_path(line: Line, text: str) -> Vdi:
    """The VDI that a path names. Refused: it is not there."""
    named = read_path(text)
    try:
        sr = await line.call("SR.get_by_uuid", named.sr_uuid)
        if named.uuid:
            ref = await line.call("VDI.get_by_uuid", named.uuid)
            record = await line.call("VDI.get_record", ref)
            return Vdi(ref, record, marks.read(record))
    except DriverError as error:
        if code_of(error) != "UUID_INVALID":
            raise
        raise Refused(f"disk {text} is not there") from error
    if named.kind is not None and named.id is not None:
        found = await find(line, sr, named.kind, named.id)
        if found is not None:
            return found
    raise Refused(f"disk {text} is not there")


async def begin(
    line: Line, repository: Repository, kind: Kind, thing: UUID, size_bytes: int, *, base: str = ""
) -> str:
    """A blank VDI that is being made to be ours. What an earlier attempt left is swept first."""
    await sweep(line, kind, thing)
    return await line.run(
        "VDI.create",
        {
            "name_label": str(thing), "name_description": f"sagastack {kind}",
            "SR": repository.ref, "virtual_size": size_bytes, "type": "user", "sharable": False,
            "read_only": False, "other_config": marks.mark(kind, thing, "", base=base),
            "xenstore_data": {}, "sm_config": {}, "tags": [],
        },
    )  # fmt: skip


async def claim(
    line: Line,
    ref: str,
    kind: Kind,
    thing: UUID,
    *,
    base: str = "",
    generation: int = 0,
    of: str = "",
) -> Vdi:
    """From now on it is ours: one call says so, and it counts as soon as that is done."""
    record = await line.call("VDI.get_record", ref)
    if record["name_label"] != str(thing):
        await line.call("VDI.set_name_label", ref, str(thing))
    lines = marks.without(record["other_config"])
    ours = marks.mark(kind, thing, record["uuid"], base=base, generation=generation, of=of)
    await line.call("VDI.set_other_config", ref, lines | ours)
    record = await line.call("VDI.get_record", ref)
    return Vdi(ref, record, marks.read(record))


async def sweep(line: Line, kind: Kind, thing: UUID) -> None:
    """Take away what was being made to be this; one that is being written to stays."""
    for ref, record in (await labelled(line, thing)).items():
        if marks.is_unfinished(record, kind, thing) and not record["current_operations"]:
            with suppress(DriverError):
                await destroy(line, ref)


async def destroy(line: Line, ref: str) -> None:
    """Gone already is success."""
    try:
        await line.run("VDI.destroy", ref)
    except DriverError as error:
        if code_of(error) != "HANDLE_INVALID" or ref not in getattr(error, "params", ()):
            raise


async def users(line: Line, vdi: Vdi) -> list[str]:
    """Names of the guests that have it plugged in now."""
    names = []
    for vbd in vdi.record["VBDs"]:
        with suppress(DriverError):
            record = await line.call("VBD.get_record", vbd)
            if record["currently_attached"] and record["VM"] not in NULLS:
                names.append(await line.call("VM.get_name_label", record["VM"]))
    return names


async def need_unused(line: Line, vdi: Vdi, what: str) -> None:
    if used_by := await users(line, vdi):
        raise Refused(f"{what} is in use by {', '.join(used_by)}: stop it first")
