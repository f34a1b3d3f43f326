"""An image store goes only when no image lies in it."""

from __future__ import annotations

from aggregates.errors import InUse
from aggregates.image import WORDS
from engine.decide import Desk, decision
from engine.decisions import record
from engine.image_places import lies_in
from engine.intents.image_store import RemoveImageStore
from engine.intents.record import RemoveRecord
from projections.image_store import image_stores
from projections.table import TABLES


@decision
def remove_image_store(ask: RemoveImageStore, desk: Desk) -> None:
    store = desk.row(image_stores, ask.store_id)
    for noun in WORDS:
        for image in desk.cloud[TABLES[noun]]:
            if lies_in(store, image, desk.world.home):
                raise InUse(
                    f"image store {store.name} holds {noun} {image.name}: delete that first, "
                    "or set readonly=true so that nothing new comes"
                )
    record.remove(RemoveRecord(kind="image_store", id=ask.store_id), desk)
