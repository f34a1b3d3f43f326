"""What a new guest's disks are made from: a template, an ISO, a volume or a snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Protocol
from uuid import UUID

from api.commands.vm_checks import (
    GIB,
    check_in_zone,
    check_offered,
    gib,
    root_disk_bytes,
    usable_template,
)
from api.declare import Bound, Caller, Free, Names, entry
from api.errors import InvalidValue, missing
from engine.intents.vm import DiskAsk
from projections.disk_offering import DiskOffering, disk_offerings
from projections.host import hosts
from projections.iso import Iso, isos
from projections.service_offering import service_offerings
from projections.snapshot import Snapshot, snapshots
from projections.storage_pool import storage_pools
from projections.template import Image, Template, part_id, templates
from projections.volume import Volume, volumes
from projections.zone import Zone, zones

GIB_MAX = 65_536
PART = Free("a disk of a template that is named beside it; nobody owns it by itself")
# Device 0 is the root disk and 3 is kept for the CD-ROM drive.
DATA_DEVICES = tuple(device for device in range(1, 16) if device != 3)


@entry
class DiskDetails:
    """A data disk that is to be made with the guest."""

    disk_offering_id: Annotated[UUID, "its offering", Names("disk_offering")]
    size: Annotated[int | None, "its size in GiB, for a custom offering", Bound(1, GIB_MAX)] = None
    device_id: Annotated[int | None, "its slot in the guest, from 1 and never 3"] = None
    min_iops: Annotated[int | None, "operations a second that it gets", Bound(1)] = None
    max_iops: Annotated[int | None, "operations a second at most", Bound(1)] = None


@entry
class PartOffering:
    """A further disk of an appliance, and its offering."""

    data_disk_template_id: Annotated[UUID, "the disk, as the template's childtemplates", PART]
    disk_offering_id: Annotated[UUID, "its offering", Names("disk_offering")]


class DisksAsked(Protocol):
    """The parameters of a deploy that speak of disks."""

    @property
    def zone_id(self) -> UUID: ...
    @property
    def service_offering_id(self) -> UUID: ...
    @property
    def template_id(self) -> UUID | None: ...
    @property
    def volume_id(self) -> UUID | None: ...
    @property
    def snapshot_id(self) -> UUID | None: ...
    @property
    def hypervisor(self) -> str | None: ...
    @property
    def root_disk_size(self) -> int | None: ...
    @property
    def override_disk_offering_id(self) -> UUID | None: ...
    @property
    def disk_offering_id(self) -> UUID | None: ...
    @property
    def size(self) -> int | None: ...
    @property
    def data_disk_offering_list(self) -> tuple[PartOffering, ...] | None: ...
    @property
    def data_disks_details(self) -> tuple[DiskDetails, ...] | None: ...


@dataclass(frozen=True, slots=True)
class Source:
    """What the root disk comes from; with an ISO it is blank, to be installed onto."""

    hypervisor: str
    template: Template | None = None
    iso: Iso | None = None
    volume: Volume | None = None
    snapshot: Snapshot | None = None

    @property
    def image(self) -> Image | None:
        """The template or the ISO, which says what its guests take."""
        return self.template or self.iso

    @property
    def takes_password(self) -> bool:
        return self.image is not None and self.image.password_enabled


def settle_source(ask: DisksAsked, caller: Caller, zone: Zone) -> Source:
    """The one thing that the root disk is made from."""
    given = [ask.template_id, ask.volume_id, ask.snapshot_id]
    if not any(given):
        raise missing("deployVirtualMachine", "templateid")
    if sum(one is not None for one in given) > 1:
        raise InvalidValue("templateid, volumeid and snapshotid exclude each other: give one")
    if ask.snapshot_id is not None:
        return _from_snapshot(ask, caller, caller.cloud[snapshots][ask.snapshot_id], zone)
    if ask.volume_id is not None:
        return _from_volume(ask, caller, caller.cloud[volumes][ask.volume_id], zone)
    assert ask.template_id is not None
    iso = caller.cloud[isos].get(ask.template_id)
    if iso is not None:
        check_in_zone(iso, zone)
        if not iso.is_bootable:
            raise InvalidValue(f"ISO {iso.name} is not bootable: choose one that is")
        if not ask.hypervisor:
            raise missing("deployVirtualMachine", "hypervisor")
        return Source(_kind_of_host(caller, ask.hypervisor, zone), iso=iso)
    template = usable_template(caller, ask.template_id, zone)
    _same_hypervisor(ask, f"template {template.name}", template.hypervisor)
    return Source(template.hypervisor, template)


def _from_volume(ask: DisksAsked, caller: Caller, volume: Volume, zone: Zone) -> Source:
    if volume.zone_id != zone.id:
        raise InvalidValue(f"volume {volume.name} is in another zone: choose one of {zone.name}")
    pool = caller.cloud[storage_pools].get(volume.pool_id)
    if pool is None:
        raise InvalidValue(f"volume {volume.name} is on no storage yet: there is nothing to boot")
    if ask.root_disk_size is not None or ask.override_disk_offering_id is not None:
        raise InvalidValue("a volume keeps its size and offering: leave rootdisksize out")
    template = caller.cloud[templates].get(volume.template_id)
    kind = _kind_for(ask, caller, template, pool.hypervisor, zone)
    _same_hypervisor(ask, f"volume {volume.name}", kind)
    return Source(kind, template, volume=volume)


def _from_snapshot(ask: DisksAsked, caller: Caller, snapshot: Snapshot, zone: Zone) -> Source:
    """A copy of what the snapshot holds; its template need not be there any more."""
    if snapshot.zone_id != zone.id:
        said = f"snapshot {snapshot.name} is in another zone"
        raise InvalidValue(f"{said}: choose one of {zone.name}")
    template = caller.cloud[templates].get(snapshot.template_id)
    kind = _kind_for(ask, caller, template, snapshot.hypervisor, zone)
    _same_hypervisor(ask, f"snapshot {snapshot.name}", kind)
    return Source(kind, template, snapshot=snapshot)


def _kind_for(
    ask: DisksAsked, caller: Caller, template: Template | None, of_pool: str, zone: Zone
) -> str:
    """The template's hypervisor, or the pool's; who keeps disks of any kind does not say one."""
    kind = of_pool if template is None else template.hypervisor
    return _kind_of_host(caller, ask.hypervisor or "", zone) if kind in ("", "Any") else kind


def _same_hypervisor(ask: DisksAsked, what: str, kind: str) -> None:
    if ask.hypervisor and ask.hypervisor.lower() != kind.lower():
        raise InvalidValue(f"{what} is for {kind}, not {ask.hypervisor}")


def _kind_of_host(caller: Caller, name: str, zone: Zone) -> str:
    """The hypervisor as the zone's hosts spell it."""
    here, wanted = caller.cloud[hosts].by("zone_id", zone.id), name.lower()
    for host in here:
        if host.hypervisor.lower() == wanted:
            return host.hypervisor
    kinds = {host.hypervisor for host in here}
    raise InvalidValue(
        f"zone {zone.name} has no host of hypervisor {name or '(none given)'}: "
        f"it has {', '.join(sorted(kinds)) or 'none'}"
    )


def settle_disks(ask: DisksAsked, caller: Caller, vm_id: UUID, source: Source) -> list[DiskAsk]:
    """The root disk, and every data disk that is asked for."""
    cloud, short = caller.cloud, str(vm_id)[:8]
    zone = cloud[zones][ask.zone_id]
    root = _root(ask, caller, f"ROOT-{short}", source, zone)
    wanted = list(ask.data_disks_details or ())
    if ask.size is not None and ask.disk_offering_id is None:
        raise InvalidValue(
            "size is that of the disk of diskofferingid: name that too, or say rootdisksize"
        )
    if ask.disk_offering_id is not None and source.iso is None:
        wanted.insert(0, DiskDetails(disk_offering_id=ask.disk_offering_id, size=ask.size))
    taken = {one.device_id for one in wanted if one.device_id is not None}
    if len(taken) != sum(one.device_id is not None for one in wanted):
        raise InvalidValue("datadisksdetails gives one deviceid twice: give each its own")
    free = iter([device for device in DATA_DEVICES if device not in taken])
    disks = [root, *_parts(ask, caller, short, source, free, zone)]
    for number, one in enumerate(wanted):
        offering = cloud[disk_offerings][one.disk_offering_id]
        check_offered(offering, "disk offering", zone)
        device = one.device_id if one.device_id is not None else next(free, None)
        if device not in DATA_DEVICES:
            raise InvalidValue(f"there is no device {device} for a data disk: 1 to 15, but for 3")
        disks.append(
            DiskAsk(
                volume_id=caller.new_disk_id(),
                name=f"DATA-{short}" if number == 0 else f"DATA-{short}-{number}",
                device=device,
                size_bytes=gib(offering, one.size, caller),
                offering_id=offering.id,
                min_iops=one.min_iops,
                max_iops=one.max_iops,
            )
        )
    return disks


def _parts(
    ask: DisksAsked, caller: Caller, short: str, source: Source, free: Iterator[int], zone: Zone
) -> list[DiskAsk]:
    """The further disks of an appliance, in its order and before any other data disk."""
    template = source.template
    if template is None or source.volume is not None or source.snapshot is not None:
        template = None
    appliance = None if template is None else template.appliance
    offerings = {
        one.data_disk_template_id: caller.cloud[disk_offerings][one.disk_offering_id]
        for one in ask.data_disk_offering_list or ()
    }
    made = []
    for number, part in enumerate(() if appliance is None else appliance.disks[1:], 1):
        assert template is not None
        offering = offerings.pop(part_id(template.id, number), None)
        if offering is not None:
            check_offered(offering, "disk offering", zone)
        device = next(free, None)
        if device is None:
            raise InvalidValue(
                f"template {template.name} has {len(template.parts)} disks: with those asked for "
                "beside them there is no slot left; give fewer"
            )
        made.append(
            DiskAsk(
                volume_id=caller.new_disk_id(),
                name=f"DATA-{short}-{number}",
                device=device,
                size_bytes=_part_bytes(part.size_bytes, offering, template),
                offering_id=None if offering is None else offering.id,
                is_blank=not part.file,
                part=number,
            )
        )
    if offerings:
        raise InvalidValue(
            f"datadiskofferinglist: there is no disk {next(iter(offerings))}: see childtemplates "
            "of the template"
        )
    return made


def _part_bytes(least: int, offering: DiskOffering | None, template: Template) -> int:
    """As large as the offering says, and never smaller than what it is made of."""
    if offering is None or offering.size_bytes is None:
        return least
    if offering.size_bytes < least:
        raise InvalidValue(
            f"disk offering {offering.name} is too small for a disk of template {template.name}, "
            f"which has {least} bytes: choose another"
        )
    return offering.size_bytes


def _root(ask: DisksAsked, caller: Caller, name: str, source: Source, zone: Zone) -> DiskAsk:
    """A copy of the template or snapshot, a blank disk to install onto, or the volume itself."""
    if source.volume is not None:
        size_bytes = source.volume.size_bytes
        there = source.volume.id
        return DiskAsk(volume_id=there, name=name, device=0, size_bytes=size_bytes, is_there=True)
    offering = caller.cloud[service_offerings][ask.service_offering_id]
    chosen = ask.override_disk_offering_id
    if source.iso is not None and chosen is None:
        chosen = ask.disk_offering_id
    disk_offering = caller.cloud[disk_offerings].get(chosen)
    if disk_offering is not None:
        check_offered(disk_offering, "disk offering", zone)
    if source.iso is not None:
        size_bytes = _blank_bytes(ask, offering.root_disk_bytes, disk_offering, caller)
    else:
        asked_gib = ask.root_disk_size
        if disk_offering is not None and disk_offering.size_bytes is not None:
            asked_gib = None
        fixed = disk_offering.size_bytes if disk_offering is not None else None
        made_of = source.snapshot or source.template
        assert made_of is not None
        size_bytes = root_disk_bytes(made_of, offering, asked_gib, fixed)
    return DiskAsk(
        volume_id=caller.new_disk_id(),
        name=name,
        device=0,
        size_bytes=size_bytes,
        offering_id=None if disk_offering is None else disk_offering.id,
        is_blank=source.iso is not None,
        snapshot_id=None if source.snapshot is None else source.snapshot.id,
    )


def _blank_bytes(
    ask: DisksAsked, of_service: int | None, offering: DiskOffering | None, caller: Caller
) -> int:
    """An ISO says nothing of the disk that it is installed onto, so somebody else must."""
    if offering is not None:
        return gib(offering, ask.root_disk_size or ask.size, caller)
    if ask.root_disk_size is not None:
        return ask.root_disk_size * GIB
    if of_service is not None:
        return of_service
    raise missing("deployVirtualMachine", "diskofferingid")
