"""Volumes that come from outside, by a URL."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.caller import Caller, Job
from api.commands.image_checks import fetched, open_zones
from api.commands.image_fields import OwnerFields
from api.commands.vm_checks import check_offered
from api.declare import Free, Length, Names, command, part
from api.errors import InvalidValue
from api.urls import plain_url
from api.views.volume import VolumeView
from engine.intents.volume_upload import UploadVolume
from projections.disk_offering import disk_offerings
from projections.zone import zones


@part
class VolumeFields(OwnerFields):
    """What is said of a volume whose image comes from outside."""

    name: Annotated[str, "its name"]
    format: Annotated[str, "QCOW2 or RAW"]
    zone_id: Annotated[UUID, "its zone", Names("zone")]
    checksum: Annotated[str | None, "what its file hashes to, for example {SHA-256}9f..."] = None
    disk_offering_id: Annotated[
        UUID | None, "an offering of custom size", Names("disk_offering")
    ] = None
    image_store_uuid: Annotated[
        str | None, "ignored: the zone says where images lie", Free("it is not read")
    ] = None

    def said(self, caller: Caller) -> dict[str, Any]:
        """The same as an intent says it."""
        if not self.name.strip():
            raise InvalidValue("name of a volume cannot be blank")
        (zone_id,) = open_zones(caller, self.zone_id)
        check_custom(caller, self.disk_offering_id, zone_id)
        return self.owned(caller) | {
            "zone_id": zone_id,
            "name": self.name,
            "image_format": self.format.upper(),
            "checksum": self.checksum or "",
            "offering_id": self.disk_offering_id,
        }


@command(
    "uploadVolume",
    returns=VolumeView,
    key="volume",
    is_async=True,
    allow="ARDU",
    action="VOLUME.UPLOAD",
)
class UploadVolumeCommand(VolumeFields):
    """Make a data disk of an image that is fetched from a URL.

    It is Uploaded when the job has ended, and comes onto a pool when a machine gets it.
    """

    url: Annotated[
        str, "where the image is: http, https, or a file of the controller", Length(2048)
    ]

    async def run(self, caller: Caller) -> Job:
        url = plain_url(self.url, "put the image where none is needed")
        return await caller.submit(
            UploadVolume(volume_id=caller.new_id(), url=url, **self.said(caller), **fetched(caller))
        )


def check_custom(caller: Caller, offering_id: UUID | None, zone_id: UUID) -> None:
    """The size of an uploaded volume is its image's, so only an offering without one fits."""
    if offering_id is None:
        return
    offering = caller.cloud[disk_offerings][offering_id]
    check_offered(offering, "disk offering", caller.cloud[zones][zone_id])
    if not offering.is_customized:
        raise InvalidValue(
            f"diskofferingid: disk offering {offering.name} has a size of its own: "
            "take one of custom size"
        )
