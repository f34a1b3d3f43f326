"""Changes of a template or an ISO that do not touch its image."""

from __future__ import annotations

from typing import Any

from aggregates.errors import NotAllowed
from aggregates.image import WORDS, Image, ImageState
from engine.decide import Desk, decision
from engine.image_places import images_of
from engine.intents.iso import ShareIso, UpdateIso
from engine.intents.template import ShareTemplate, UpdateTemplate


@decision
def update_template(ask: UpdateTemplate, desk: Desk) -> None:
    _change(desk, _there(desk, ask), WORDS[ask.NOUN].updated, ask.fields)


@decision
def update_iso(ask: UpdateIso, desk: Desk) -> None:
    update_template(ask, desk)


@decision
def share_template(ask: ShareTemplate, desk: Desk) -> None:
    kind = WORDS[ask.NOUN].shared
    named = {name: getattr(ask, name) for name in kind.__struct_fields__}
    asked = {name: value for name, value in named.items() if value is not None}
    _change(desk, _there(desk, ask), kind, asked)


@decision
def share_iso(ask: ShareIso, desk: Desk) -> None:
    share_template(ask, desk)


def _there(desk: Desk, ask: UpdateTemplate | ShareTemplate) -> Image:
    row = desk.row(images_of(ask), ask.template_id)
    if all(copy.state is ImageState.REMOVING for copy in row.copies):
        raise NotAllowed(f"{row.KIND} {row.name} is being removed")
    return row


def _change(desk: Desk, row: Image, kind: Any, asked: dict[str, Any]) -> None:
    """Record the whole of what `kind` says of a row, if anything of it differs."""
    before = {name: getattr(row, name) for name in kind.__struct_fields__}
    after = before | asked
    if after != before:
        desk.change(row, kind(**after))
