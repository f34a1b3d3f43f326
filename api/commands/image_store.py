"""Image stores: add, change, remove, list."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

from api.declare import Caller, Names, Success, command
from api.lists import Filter, list_command
from api.urls import plain_url
from api.views.image_store import ImageStoreView
from engine.intents.record import CreateRecord, RemoveRecord, UpdateRecord
from projections.image_store import ImageStore, image_stores

# Details whose values are secrets; they are sealed, and the store keeps where they lie.
SECRET = ("secretkey", "password", "key", "secret")


@command(
    "addImageStore",
    returns=ImageStoreView,
    key="imagestore",
    allow="A",
    action="IMAGE.STORE.ADD",
)
class AddImageStore:
    """Add a place where templates are kept before hosts ask for them."""

    provider: Annotated[str, "what kind it is, such as NFS"]
    name: Annotated[str | None, "its name; the URL, if left out"] = None
    url: Annotated[str | None, "where it is"] = None
    zone_id: Annotated[UUID | None, "the zone", Names("zone", right="operate")] = None
    details: Annotated[dict[str, str] | None, "what else its provider needs"] = None

    async def run(self, caller: Caller) -> ImageStore:
        url = plain_url(self.url or "", "give it in details, where it is sealed")
        store_id = caller.new_id()
        details = dict(self.details or {})
        for name in details:
            if any(word in name.lower() for word in SECRET):
                details[name] = f"sealed:{await caller.seal(details[name])}"
        fields = {
            "name": self.name or url or f"{self.provider} {store_id}",
            "url": url,
            "provider": self.provider,
            "protocol": urlsplit(url).scheme or self.provider.lower(),
            "zone_id": self.zone_id,
            "scope": "REGION" if self.zone_id is None else "ZONE",
            "details": details,
        }
        await caller.decide(CreateRecord(kind="image_store", id=store_id, fields=fields))
        return caller.cloud[image_stores][store_id]


@command(
    "updateImageStore",
    returns=ImageStoreView,
    key="imagestore",
    allow="A",
    envelope="updateImageStore",
    action="IMAGE.STORE.UPDATE",
)
class UpdateImageStore:
    """Rename an image store, or let nothing new into it."""

    id: Annotated[UUID, "the image store", Names("image_store", right="operate")]
    name: Annotated[str | None, "new name"] = None
    read_only: Annotated[bool | None, "let nothing new into it"] = None

    async def run(self, caller: Caller) -> ImageStore:
        asked: dict[str, Any] = {"name": self.name or None, "read_only": self.read_only}
        fields = {name: value for name, value in asked.items() if value is not None}
        await caller.decide(UpdateRecord(kind="image_store", id=self.id, fields=fields))
        return caller.cloud[image_stores][self.id]


@command("deleteImageStore", returns=Success, allow="A", action="IMAGE.STORE.DELETE")
class DeleteImageStore:
    """Remove an image store."""

    id: Annotated[UUID, "the image store", Names("image_store", right="operate")]

    async def run(self, caller: Caller) -> None:
        await caller.decide(RemoveRecord(kind="image_store", id=self.id))


@list_command(
    "listImageStores",
    view=ImageStoreView,
    table=image_stores,
    key="imagestore",
    scope="admin",
    allow="A",
)
class ListImageStores:
    """List image stores."""

    zone_id: Annotated[UUID | None, "those of this zone", Names("zone", right="see")] = None
    provider: Annotated[str | None, "those of this kind"] = None
    protocol: Annotated[str | None, "those reached this way"] = None
    read_only: Annotated[bool | None, "only those closed to new images, or only others"] = None


@list_command(
    "listSecondaryStagingStores",
    view=ImageStoreView,
    table=image_stores,
    key="imagestore",
    envelope="listsecondarystagingstoreresponse",
    scope="admin",
    allow="A",
)
class ListSecondaryStagingStores:
    """List staging stores. There are none: hosts read images from the controller."""

    zone_id: Annotated[UUID | None, "those of this zone", Names("zone", right="see"), Filter()] = (
        None
    )
    provider: Annotated[str | None, "those of this kind", Filter()] = None
    protocol: Annotated[str | None, "those reached this way", Filter()] = None

    def rows(self, caller: Caller) -> tuple[ImageStore, ...]:
        return ()
