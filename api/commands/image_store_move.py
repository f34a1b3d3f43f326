"""Moving images between the stores of a zone."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Caller, Job, Names, OneOf, command
from api.errors import InvalidValue, missing
from api.views.image_store import MigrationView
from engine.intents.image_store import EmptyImageStore

STORE = Names("image_store", right="operate")
HOW = OneOf("complete", "balance", "COMPLETE", "BALANCE")


@command(
    "migrateSecondaryStorageData",
    returns=MigrationView,
    key="imagestore",
    is_async=True,
    allow="A",
    since="4.15.0",
    action="IMAGE.STORE.MIGRATE.DATA",
)
class MigrateSecondaryStorageData:
    """Move all that an image store holds into others of its zone."""

    src_pool: Annotated[UUID, "the store to empty", STORE]
    dest_pools: Annotated[tuple[UUID, ...], "the stores to move into", STORE]
    migration_type: Annotated[str | None, "complete; balance is not offered", HOW] = None

    async def run(self, caller: Caller) -> Job:
        if (self.migration_type or "complete").lower() != "complete":
            raise InvalidValue(
                "migrationtype balance is not offered: name single images to "
                "migrateResourceToAnotherSecondaryStorage"
            )
        return await caller.submit(
            EmptyImageStore(store_id=self.src_pool, into_ids=list(self.dest_pools))
        )


@command(
    "migrateResourceToAnotherSecondaryStorage",
    returns=MigrationView,
    key="imagestore",
    is_async=True,
    allow="A",
    since="4.19.0",
    action="IMAGE.STORE.RESOURCES.MIGRATE",
)
class MigrateResourceToAnotherSecondaryStorage:
    """Move some templates and ISOs from one image store of a zone into another."""

    src_pool: Annotated[UUID, "the store that they lie in", STORE]
    dest_pool: Annotated[UUID, "the store to move them into", STORE]
    templates: Annotated[
        tuple[UUID, ...] | None, "the templates and ISOs", Names(("template", "iso"), "operate")
    ] = None
    snapshots: Annotated[
        tuple[UUID, ...] | None, "not offered: snapshots lie in pools", Names("snapshot", "operate")
    ] = None

    async def run(self, caller: Caller) -> Job:
        if self.snapshots:
            raise InvalidValue("snapshots lie in pools and not in image stores: leave them out")
        if not self.templates:
            raise missing("migrateResourceToAnotherSecondaryStorage", "templates")
        ask = EmptyImageStore(
            store_id=self.src_pool,
            into_ids=[self.dest_pool],
            image_ids=list(dict.fromkeys(self.templates)),
        )
        return await caller.submit(ask)
