"""Examples of the sagas that move images between the stores of a zone."""

from __future__ import annotations

from msgspec.structs import replace

from engine.intents.image_store import EmptyImageStore
from engine.intents.iso import MoveIso
from engine.intents.record import CreateRecord
from engine.intents.template import MoveTemplate
from tests.sagas.examples import iso, template
from tests.sagas.rig import Rig
from tests.sagas.seed import ZONE, named

OLD, NEW = named("old store"), named("new store")


async def _stores(rig: Rig) -> None:
    """Two stores of the zone; new images come into the first."""
    for store_id, name in ((OLD, "old"), (NEW, "new")):
        fields = {
            "name": name, "url": f"file://{rig.home}/{name}", "provider": "NFS",
            "protocol": "file", "zone_id": ZONE,
        }  # fmt: skip
        await rig.engine.decide(
            CreateRecord(kind="image_store", id=store_id, fields=fields), rig.by
        )


async def _move_template(rig: Rig) -> object:
    await _stores(rig)
    ask = await template.register(rig)
    await rig.run(replace(ask, zone_ids=[ZONE]))
    return MoveTemplate(template_id=ask.template_id, zone_id=ZONE, store_id=NEW)


async def _move_iso(rig: Rig) -> object:
    await _stores(rig)
    ask = await iso.register(rig)
    await rig.run(replace(ask, zone_ids=[ZONE]))
    return MoveIso(template_id=ask.template_id, zone_id=ZONE, store_id=NEW)


async def _empty(rig: Rig) -> object:
    await _move_template(rig)
    await rig.run(replace(await iso.register(rig), zone_ids=[ZONE]))
    return EmptyImageStore(store_id=OLD, into_ids=[NEW])


EXAMPLES = {
    "template.move:1": _move_template,
    "iso.move:1": _move_iso,
    "image_store.empty:1": _empty,
}
