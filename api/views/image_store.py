"""An image store as clients see it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Date, View, date, view
from engine.image_store_files import StoredFile
from projections.annotation import is_noted
from projections.cloud import Cloud
from projections.image_store import ImageStore
from projections.iso import isos
from projections.template import templates
from projections.zone import zones


@view
class ImageStoreView(View, kw_only=True):
    id: Annotated[UUID, "the image store"]
    name: Annotated[str, "its name"]
    zone_id: Annotated[UUID | None, "the zone that it serves"] = None
    zone_name: Annotated[str | None, "its name"] = None
    url: Annotated[str, "where it is"]
    protocol: Annotated[str, "how it is reached"]
    provider_name: Annotated[str, "what kind it is"]
    scope: Annotated[str, "ZONE or REGION"]
    read_only: Annotated[bool, "whether nothing new is put into it"]
    has_annotations: Annotated[bool, "whether there are notes on it"]

    @classmethod
    def of(cls, row: ImageStore, cloud: Cloud) -> ImageStoreView:
        zone = cloud[zones].get(row.zone_id)
        return cls(
            id=row.id,
            has_annotations=is_noted(row.id, cloud),
            name=row.name,
            zone_id=row.zone_id,
            zone_name=zone.name if zone else None,
            url=row.url,
            protocol=row.protocol,
            provider_name=row.provider,
            scope=row.scope,
            read_only=row.read_only,
        )


@view
class MigrationView(View, kw_only=True):
    """The end of a move between image stores."""

    success: Annotated[bool, "true: all that was asked for is moved"]
    message: Annotated[str, "what was done"]
    migration_type: Annotated[str, "COMPLETE"]

    @classmethod
    def of(cls, row: ImageStore, cloud: Cloud) -> MigrationView:
        message = f"what was asked for of image store {row.name} is moved"
        return cls(success=True, message=message, migration_type="COMPLETE")


@view
class StoreObjectView(View, kw_only=True):
    """A file or a folder in an image store."""

    name: Annotated[str, "its name"]
    is_directory: Annotated[bool, "whether it is a folder"]
    size: Annotated[int, "its size in bytes"]
    template_id: Annotated[UUID | None, "the template or ISO whose image it is"] = None
    template_name: Annotated[str | None, "the name of that"] = None
    format: Annotated[str | None, "what its name ends in"] = None
    last_updated: Annotated[Date, "when it was written"]

    @classmethod
    def made(cls, file: StoredFile, cloud: Cloud) -> StoreObjectView:
        """Images are named by the id of what they are of."""
        stem, _, suffix = file.name.partition(".")
        try:
            image_id = UUID(stem)
        except ValueError:
            image_id = None
        image = cloud[templates].get(image_id) or cloud[isos].get(image_id)
        return cls(
            name=file.name,
            is_directory=file.is_folder,
            size=file.size_bytes,
            template_id=image.id if image else None,
            template_name=image.name if image else None,
            format=suffix or None,
            last_updated=date(file.changed_at_ms),
        )
