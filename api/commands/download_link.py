"""Downloads of templates, ISOs, volumes and files of image stores."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from api.caller import Caller, Job, JobRow
from api.commands.image_checks import image
from api.declare import Length, Names, OneOf, command
from api.errors import Denied, InvalidValue
from api.jobs import JobView
from api.views.download_link import ExtractView
from engine.intents.download_link import OpenDownload
from projections.download_link import download_links
from projections.setting import number_of
from projections.volume import volumes

MODES = OneOf("HTTP_DOWNLOAD", "FTP_UPLOAD")


async def opened(
    caller: Caller, kind: str, thing_id: UUID, *, zone_id: UUID | None = None, path: str = ""
) -> Job:
    """A download for the caller, whose URL holds a secret that only the vault knows."""
    token = f"{caller.random_id().hex}{caller.random_id().hex}"
    seconds = int(number_of(caller.cloud, "extract.url.expiration.interval"))
    return await caller.submit(
        OpenDownload(
            link_id=caller.new_id(),
            kind=kind,
            thing_id=thing_id,
            account_id=caller.account_id,
            domain_id=caller.domain_id,
            token_ref=await caller.seal(token),
            expires_at_ms=caller.now_ms + seconds * 1000,
            zone_id=zone_id,
            path=path,
        )
    )


async def with_url(told: JobView, job: JobRow, caller: Caller) -> JobView:
    """The answer of a job that made a download, with the URL if whoever looks asked for it."""
    if job.subject_kind != "download_link":
        return told
    link = caller.cloud[download_links].get(job.subject_id)
    asked = link is not None and caller.account_id == link.account_id
    if link is None or not asked or not link.path or told.job_result is None:
        return told
    token = await caller.secret(link.token_ref)
    url = f"{caller.engine.base_url}/download/{link.id}/{token}/{quote(link.name, safe='')}"
    for made in told.job_result.values():
        if isinstance(made, ExtractView):
            made.url = url
    return told


def by_http(mode: str, url: str | None) -> None:
    if mode != "HTTP_DOWNLOAD":
        raise InvalidValue("mode FTP_UPLOAD is not offered: use HTTP_DOWNLOAD and fetch the file")
    if url:
        raise InvalidValue("url is for FTP_UPLOAD, which is not offered: leave it out")


async def _image(caller: Caller, noun: str, image_id: UUID, zone_id: UUID | None) -> Job:
    """An image leaves the cloud if its owner lets it; an administrator of the cloud may always."""
    row = image(caller, noun, image_id)
    if not row.is_extractable and not caller.is_root:
        raise Denied(
            f"{noun} {row.name} is not extractable: its owner allows it with "
            "isextractable=true in its permissions"
        )
    return await opened(caller, noun, row.id, zone_id=zone_id)


@command(
    "extractTemplate",
    returns=ExtractView,
    key="template",
    is_async=True,
    allow="ARDU",
    action="TEMPLATE.EXTRACT",
)
class ExtractTemplate:
    """Make a URL at which the image of a template can be fetched for a while."""

    id: Annotated[UUID, "the template", Names("template")]
    mode: Annotated[str, "HTTP_DOWNLOAD", MODES]
    url: Annotated[str | None, "not offered", Length(2048)] = None
    zone_id: Annotated[UUID | None, "the zone whose copy is meant", Names("zone", "see")] = None

    async def run(self, caller: Caller) -> Job:
        by_http(self.mode, self.url)
        return await _image(caller, "template", self.id, self.zone_id)


@command(
    "extractIso",
    returns=ExtractView,
    key="iso",
    is_async=True,
    allow="ARDU",
    action="ISO.EXTRACT",
)
class ExtractIso:
    """Make a URL at which the image of an ISO can be fetched for a while."""

    id: Annotated[UUID, "the ISO", Names("iso")]
    mode: Annotated[str, "HTTP_DOWNLOAD", MODES]
    url: Annotated[str | None, "not offered", Length(2048)] = None
    zone_id: Annotated[UUID | None, "the zone whose copy is meant", Names("zone", "see")] = None

    async def run(self, caller: Caller) -> Job:
        by_http(self.mode, self.url)
        return await _image(caller, "iso", self.id, self.zone_id)


@command(
    "extractVolume",
    returns=ExtractView,
    key="volume",
    is_async=True,
    allow="ARDU",
    action="VOLUME.EXTRACT",
)
class ExtractVolume:
    """Make a URL at which the disk of a volume can be fetched for a while, as qcow2.

    The volume must be detached, or its machine stopped.
    """

    id: Annotated[UUID, "the volume", Names("volume", right="operate")]
    mode: Annotated[str, "HTTP_DOWNLOAD", MODES]
    zone_id: Annotated[UUID, "the zone that the volume is in", Names("zone", "see")]
    url: Annotated[str | None, "not offered", Length(2048)] = None

    async def run(self, caller: Caller) -> Job:
        by_http(self.mode, self.url)
        volume = caller.cloud[volumes][self.id]
        if volume.zone_id != self.zone_id:
            raise InvalidValue(f"zoneid: volume {volume.name} is in zone {volume.zone_id}")
        return await opened(caller, "volume", self.id, zone_id=self.zone_id)
