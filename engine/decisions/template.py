"""Changes of a template that do not touch its image."""

from __future__ import annotations

from typing import Any

from aggregates.errors import NotAllowed
from aggregates.template import Template, TemplateShared, TemplateState, TemplateUpdated
from engine.decide import Desk, decision
from engine.intents.template import ShareTemplate, UpdateTemplate
from projections.template import templates


@decision
def update_template(ask: UpdateTemplate, desk: Desk) -> None:
    row = _there(desk, ask)
    _change(desk, row, TemplateUpdated, ask.fields)


@decision
def share_template(ask: ShareTemplate, desk: Desk) -> None:
    row = _there(desk, ask)
    named = {name: getattr(ask, name) for name in TemplateShared.__struct_fields__}
    asked = {name: value for name, value in named.items() if value is not None}
    _change(desk, row, TemplateShared, asked)


def _there(desk: Desk, ask: UpdateTemplate | ShareTemplate) -> Template:
    row = desk.row(templates, ask.template_id)
    if row.state is TemplateState.REMOVING:
        raise NotAllowed(f"template {row.name} is being removed")
    return row


def _change(desk: Desk, row: Template, kind: Any, asked: dict[str, Any]) -> None:
    """Record the whole of what `kind` says of a row, if anything of it differs."""
    before = {name: getattr(row, name) for name in kind.__struct_fields__}
    after = before | asked
    if after != before:
        desk.change(row, kind(**after))
