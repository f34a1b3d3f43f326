"""Image stores: add, change, remove, list."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

from api.commands.download_link import opened
from api.declare import (
    Bound,
    Caller,
    Idle,
    Job,
    Later,
    Length,
    Names,
    OneOf,
    Page,
    Success,
    command,
)
from api.errors import InvalidValue
from api.lists import Filter, cut, list_command
from api.urls import plain_url
from api.views.download_link import ExtractView
from api.views.image_store import ImageStoreView, StoreObjectView
from engine.image_store_files import inside, listed
from engine.intents.image_store import RemoveImageStore
from engine.intents.record import CreateRecord, UpdateRecord
from projections.image_store import ImageStore, image_stores

# Details whose values are secrets; they are sealed, and the store keeps where they lie.
OBJECTS = "images lie on disks that the controller reaches; add an image store at file:///folder"
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

    provider: Annotated[str, "what kind it is", OneOf("NFS", "SMB", "S3", "Swift")]
    name: Annotated[str | None, "its name; the URL, if left out"] = None
    url: Annotated[str | None, "where it is"] = None
    zone_id: Annotated[UUID | None, "the zone", Names("zone", right="operate")] = None
    details: Annotated[dict[str, str] | None, "what else its provider needs"] = None

    async def run(self, caller: Caller) -> ImageStore:
        return await add_store(
            caller,
            provider=self.provider,
            name=self.name,
            url=self.url or "",
            zone_id=self.zone_id,
            details=dict(self.details or {}),
        )


async def add_store(
    caller: Caller,
    *,
    provider: str,
    name: str | None,
    url: str,
    zone_id: UUID | None,
    details: dict[str, str],
) -> ImageStore:
    """A store as a record; what is secret in its details is sealed first."""
    if provider.upper() in ("S3", "SWIFT"):
        raise InvalidValue(f"provider {provider} is not offered: {OBJECTS}")
    url = plain_url(url, "give it in details, where it is sealed")
    if not urlsplit(url).scheme:
        raise InvalidValue(f"url {url!r} is no place: write file:///folder or nfs://host/folder")
    store_id = caller.new_id()
    for key in details:
        if any(word in key.lower() for word in SECRET):
            details[key] = f"sealed:{await caller.seal(details[key])}"
    fields = {
        "name": name or url or f"{provider} {store_id}",
        "url": url,
        "provider": provider,
        "protocol": urlsplit(url).scheme or provider.lower(),
        "zone_id": zone_id,
        "scope": "REGION" if zone_id is None else "ZONE",
        "details": details,
    }
    await caller.decide(CreateRecord(kind="image_store", id=store_id, fields=fields))
    return caller.cloud[image_stores][store_id]


@command(
    "addSecondaryStorage",
    returns=ImageStoreView,
    key="secondarystorage",
    allow="A",
    action="IMAGE.STORE.ADD",
)
class AddSecondaryStorage:
    """Add a place where templates are kept, by its URL alone."""

    url: Annotated[str, "where it is"]
    zone_id: Annotated[UUID | None, "the zone", Names("zone", right="operate")] = None
    details: Annotated[dict[str, str] | None, "what else it needs"] = None

    async def run(self, caller: Caller) -> ImageStore:
        return await add_store(
            caller,
            provider="NFS",
            name=None,
            url=self.url,
            zone_id=self.zone_id,
            details=dict(self.details or {}),
        )


@command(
    "addImageStoreS3",
    returns=ImageStoreView,
    key="imagestore",
    envelope="addImageStoreS3Response",
    allow="A",
    since="4.7.0",
    action="IMAGE.STORE.ADD",
)
class AddImageStoreS3:
    """Refused: images are kept on disks that the controller reaches."""

    access_key: Annotated[str, "not kept"]
    bucket: Annotated[str, "not kept"]
    endpoint: Annotated[str, "not kept"]
    secret_key: Annotated[str, "not kept"]
    connection_timeout: Annotated[int | None, "not kept", Idle("the command is refused")] = None
    connection_ttl: Annotated[int | None, "not kept", Idle("the command is refused")] = None
    max_error_retry: Annotated[int | None, "not kept", Idle("the command is refused")] = None
    s3_signer: Annotated[str | None, "not kept", Idle("the command is refused")] = None
    socket_timeout: Annotated[int | None, "not kept", Idle("the command is refused")] = None
    use_https: Annotated[bool | None, "not kept", Idle("the command is refused")] = None
    use_tcp_keepalive: Annotated[bool | None, "not kept", Idle("the command is refused")] = None

    async def run(self, caller: Caller) -> ImageStore:
        raise InvalidValue(f"a store of S3 is not offered: {OBJECTS}")


@command("addSwift", returns=ImageStoreView, key="secondarystorage", allow="A", since="3.0.0")
class AddSwift:
    """Refused: images are kept on disks that the controller reaches."""

    url: Annotated[str, "not kept"]
    account: Annotated[str | None, "not kept", Idle("the command is refused")] = None
    key: Annotated[str | None, "not kept", Idle("the command is refused")] = None
    username: Annotated[str | None, "not kept", Idle("the command is refused")] = None

    async def run(self, caller: Caller) -> ImageStore:
        raise InvalidValue(f"a store of Swift is not offered: {OBJECTS}")


@command(
    "createSecondaryStagingStore",
    returns=ImageStoreView,
    key="secondarystorage",
    allow="A",
    action="IMAGE.STORE.ADD",
)
class CreateSecondaryStagingStore:
    """Refused: there is nothing to stage where hosts are handed images by the controller."""

    url: Annotated[str, "not kept", Length(2048)]
    zone_id: Annotated[UUID | None, "the zone", Names("zone", right="operate")] = None
    provider: Annotated[str | None, "not kept", Idle("the command is refused")] = None
    scope: Annotated[str | None, "not kept", Idle("the command is refused")] = None
    details: Annotated[dict[str, str] | None, "not kept", Idle("the command is refused")] = None

    async def run(self, caller: Caller) -> ImageStore:
        raise InvalidValue("a staging store serves stores of objects, which are not offered")


@command("deleteSecondaryStagingStore", returns=Success, allow="A", since="4.2.0")
class DeleteSecondaryStagingStore:
    """Refused for a store that stages nothing, and none does."""

    id: Annotated[UUID, "the store", Names("image_store", right="operate")]

    async def run(self, caller: Caller) -> None:
        raise InvalidValue(f"image store {self.id} stages nothing: use deleteImageStore")


@command(
    "listImageStoreObjects",
    returns=StoreObjectView,
    key="datastoreobject",
    shape="list",
    allow="A",
    since="4.19.0",
)
class ListImageStoreObjects:
    """List the files in a folder of an image store, as they lie on its disk now."""

    id: Annotated[UUID, "the image store", Names("image_store", right="see")]
    path: Annotated[str | None, "the folder, from the top of the store"] = None
    keyword: Annotated[str | None, "text that the name contains"] = None
    page: Annotated[int | None, "which page, from 1; needs pagesize", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page, at most 500; -1 for no limit", Bound(-1)] = None

    async def run(self, caller: Caller) -> Page:
        store = caller.cloud[image_stores][self.id]
        word = (self.keyword or "").casefold()
        there = await asyncio.to_thread(listed, store, self.path or "")
        found = [one for one in there if word in one.name.casefold()]
        items = cut(found, self.page, self.page_size, caller)
        return Page(len(found), [StoreObjectView.made(one, caller.cloud) for one in items])


@command(
    "downloadImageStoreObject",
    returns=ExtractView,
    key="downloadimagestoreobjectresponse",
    is_async=True,
    allow="A",
    since="4.19.0",
    action="IMAGE.STORE.OBJECT.DOWNLOAD",
)
class DownloadImageStoreObject:
    """Make a URL at which a file of an image store can be fetched for a while."""

    id: Annotated[UUID, "the image store", Names("image_store", right="operate")]
    path: Annotated[str | None, "the file, from the top of the store"] = None

    async def run(self, caller: Caller) -> Job:
        place = inside(caller.cloud[image_stores][self.id], self.path or "")
        if not await asyncio.to_thread(place.is_file):
            raise InvalidValue(f"path {self.path!r} is no file: see listImageStoreObjects")
        return await opened(caller, "image_store", self.id, path=str(place))


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
    capacity_bytes: Annotated[int | None, "not offered yet", Later("the store tells its size")] = (
        None
    )

    async def run(self, caller: Caller) -> ImageStore:
        asked: dict[str, Any] = {"name": self.name or None, "read_only": self.read_only}
        fields = {name: value for name, value in asked.items() if value is not None}
        await caller.decide(UpdateRecord(kind="image_store", id=self.id, fields=fields))
        return caller.cloud[image_stores][self.id]


@command("deleteImageStore", returns=Success, allow="A", action="IMAGE.STORE.DELETE")
class DeleteImageStore:
    """Remove an image store; refused while images lie in it."""

    id: Annotated[UUID, "the image store", Names("image_store", right="operate")]

    async def run(self, caller: Caller) -> None:
        await caller.decide(RemoveImageStore(store_id=self.id))


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
