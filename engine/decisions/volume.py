"""Decisions about volumes that touch nothing in the world."""

from __future__ import annotations

from aggregates.errors import Invalid
from aggregates.volume import VolumeCreated, VolumeUpdated
from engine.decide import Desk, decision
from engine.intents.volume import CreateVolume, UpdateVolume
from projections.volume import volumes
from projections.zone import zones


@decision
def create(ask: CreateVolume, desk: Desk) -> None:
    desk.row(zones, ask.zone_id)
    if ask.size_bytes <= 0:
        raise Invalid("a volume needs a size of at least 1 GiB", field="size")
    desk.create(
        ask.volume_id,
        VolumeCreated(
            name=ask.name,
            account_id=ask.account_id,
            domain_id=ask.domain_id,
            zone_id=ask.zone_id,
            kind="DATADISK",
            size_bytes=ask.size_bytes,
            offering_id=ask.offering_id,
            template_id=None,
            vm_id=None,
            device=None,
            is_displayed=ask.is_displayed,
        ),
    )


@decision
def update(ask: UpdateVolume, desk: Desk) -> None:
    volume = desk.row(volumes, ask.volume_id)
    name = volume.name if ask.name is None else ask.name
    shown = volume.is_displayed if ask.is_displayed is None else ask.is_displayed
    if (name, shown) != (volume.name, volume.is_displayed):
        desk.change(volume, VolumeUpdated(name=name, is_displayed=shown))
