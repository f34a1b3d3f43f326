"""A download as whoever asked for it sees it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec

from api.authz import noun
from api.declare import Cloud, Date, View, date, view
from projections.download_link import DownloadLink
from projections.zone import zones

noun("download_link", "owned")
STORED = {"volume": "volume", "image_store": "object"}


@view
class ExtractView(View, kw_only=True):
    """A URL at which a template, an ISO or a volume can be fetched for a while.

    The URL lets anybody in who has it, so it is told with the job's result, to whoever may see
    the job, and is nowhere kept.
    """

    id: Annotated[UUID, "what is downloaded"]
    name: Annotated[str, "its name, as a file"]
    extract_id: Annotated[UUID, "the download"] = msgspec.field(name="extractId")
    extract_mode: Annotated[str, "always HTTP_DOWNLOAD"] = msgspec.field(name="extractMode")
    state: Annotated[str, "DOWNLOAD_URL_CREATED"]
    status: Annotated[str, "the same"]
    storage_type: Annotated[str, "template, volume or object"]
    account_id: Annotated[UUID, "the account that asked"]
    zone_id: Annotated[UUID | None, "the zone whose copy it is"] = None
    zone_name: Annotated[str | None, "the name of that zone"] = None
    created: Annotated[Date, "when it was asked for"]
    url: Annotated[str | None, "where it can be fetched"] = None

    @classmethod
    def of(cls, row: DownloadLink, cloud: Cloud) -> ExtractView:
        zone = cloud[zones].get(row.zone_id)
        return cls(
            id=row.thing_id,
            name=row.name,
            extract_id=row.id,
            extract_mode="HTTP_DOWNLOAD",
            state="DOWNLOAD_URL_CREATED",
            status="DOWNLOAD_URL_CREATED",
            storage_type=STORED.get(row.kind, "template"),
            account_id=row.account_id,
            zone_id=row.zone_id,
            zone_name=zone.name if zone else None,
            created=date(row.created_at_ms),
        )
