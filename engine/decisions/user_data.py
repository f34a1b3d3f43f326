"""Which user data comes with a template or an ISO."""

from __future__ import annotations

from aggregates.image import WORDS, Image
from engine.decide import Desk, decision
from engine.intents.template import LinkUserData
from projections.iso import isos
from projections.template import templates
from projections.user_data import user_datas


@decision
def link(ask: LinkUserData, desk: Desk) -> None:
    image: Image = desk.row(isos, ask.image_id) if ask.is_iso else desk.row(templates, ask.image_id)
    if ask.user_data_id is not None:
        desk.guard(desk.row(user_datas, ask.user_data_id))
    linked = WORDS[image.KIND].user_data_linked(
        user_data_id=ask.user_data_id, user_data_policy=ask.user_data_policy
    )
    if any(getattr(image, name) != getattr(linked, name) for name in linked.__struct_fields__):
        desk.change(image, linked)
