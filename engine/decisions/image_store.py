"""An image store goes only when no image lies in it."""

from __future__ import annotations

from aggregates.errors import InUse
from aggregates.image import WORDS
from engine.decide import Desk, decision
from engine.decisions import record
from engine.image_places import folder_of_store, on_disk
from engine.intents.image_store import RemoveImageStore
from engine.intents.record import RemoveRecord
from projections.image_store import image_stores
from projections.table import TABLES


@decision
def remove_image_store(ask: RemoveImageStore, desk: Desk) -> None:
    store = desk.row(image_stores, ask.store_id)
    folder = folder_of_store(store)
    for noun in WORDS if folder is not None else ():
        for image in desk.cloud[TABLES[noun]]:
            own = image.copy_of(store.zone_id)
            place = on_disk(desk.world.home, own.path) if own is not None else None
            if folder is not None and place is not None and place.is_relative_to(folder):
                raise InUse(
                    f"image store {store.name} holds {noun} {image.name}: delete that first, "
                    "or set readonly=true so that nothing new comes"
                )
    record.remove(RemoveRecord(kind="image_store", id=ask.store_id), desk)
