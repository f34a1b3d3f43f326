"""Typed answers to bytes: CloudStack's JSON and XML envelopes.

JSON is written by msgspec straight from the views. XML is the same answer as a tree: an element a
field, an element an item. Only here is it known that an empty list has no count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import msgspec

from api.declare import Page, Spec, Success, View
from api.fields import Kind
from projections.cloud import Cloud

CLOUDSTACK_VERSION = "4.22.0.0"
JSON_TYPE = "application/json; charset=UTF-8"
XML_TYPE = "text/xml; charset=UTF-8"

# What XML 1.0 cannot hold in any form (its production 2, Char).
NOT_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")

CLOSING = b"]}}"
"""What ends the answer of a list in JSON."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The answer of a list whose rows are JSON already, with what closes the answer behind them."""

    count: int
    key: str
    rows: bytes


Payload = dict[str, Any] | View | Listed


def limited(made: View, role_type: str) -> View:
    """Empty the fields that this role type does not see, also in views within the view."""
    for field in made.LIMITED:
        if not field.open_to(role_type):
            setattr(made, field.attr, None)
    for field in made.NESTED:
        inner = getattr(made, field.attr)
        for one in inner if isinstance(inner, (list, tuple)) else (inner,):
            if isinstance(one, View):
                limited(one, role_type)
    return made


def shown(spec: Spec, result: Any, cloud: Cloud, role_type: str) -> Payload:
    """What goes under the envelope for what a command's body returned."""
    if spec.shape == "success":
        return result if isinstance(result, Success) else Success(success=True)
    if spec.shape == "list":
        page = result if isinstance(result, Page) else _page(result)
        if page.ready is not None:
            return Listed(page.count, spec.key, page.ready)
        items = [as_view(spec, item, cloud, role_type) for item in page.items]
        if not items:
            return {"count": page.count} if page.count else {}
        return {"count": page.count, spec.key: items}
    one = as_view(spec, result, cloud, role_type)
    return one if spec.shape == "flat" else {spec.key: one}


def as_view(spec: Spec, item: Any, cloud: Cloud, role_type: str) -> View:
    """A view as it is, or the command's view of a row; without what the role may not see."""
    made = item if isinstance(item, View) else spec.returns.of(item, cloud)
    return limited(made, role_type)


def _page(result: Any) -> Page:
    items: Sequence[Any] = result if isinstance(result, (list, tuple)) else [result]
    return Page(len(items), items)


def to_json(envelope: str, payload: Any) -> tuple[bytes, ...]:
    """The one-key object that every answer is; in two parts, so that long lists are not copied."""
    if isinstance(payload, Listed):
        head = f'{{"{envelope}":{{"count":{payload.count},"{payload.key}":['
        return head.encode(), payload.rows
    return (msgspec.json.encode({envelope: payload}),)


def to_xml(envelope: str, payload: Any) -> bytes:
    """The same answer as elements."""
    parts = ['<?xml version="1.0" encoding="UTF-8"?>']
    parts.append(f'<{envelope} cloud-stack-version="{CLOUDSTACK_VERSION}">')
    tree = msgspec.to_builtins(payload)
    for name, value in tree.items():
        _element(parts, name, value)
    parts.append(f"</{envelope}>")
    return NOT_XML.sub("\ufffd", "".join(parts)).encode()


def _element(parts: list[str], name: str, value: Any) -> None:
    """A field: nothing for None, one element an item for a list, else one element."""
    if value is None:
        return
    if isinstance(value, (list, tuple)):
        for one in value:
            _element(parts, name, one)
        return
    tag = _tag(name)
    if isinstance(value, dict):
        parts.append(f"<{tag}>")
        for inner, content in value.items():
            _element(parts, str(inner), content)
        parts.append(f"</{tag}>")
        return
    if isinstance(value, bool):
        value = "true" if value else "false"
    parts.append(f"<{tag}>{escape(str(value))}</{tag}>")


def _tag(name: str) -> str:
    """A key of a map may be any text; an element's name may not."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    return safe if safe[:1].isalpha() or safe[:1] == "_" else f"_{safe}"


def field_type(kind: Kind) -> str:
    """The word of listApis for a field of an answer, where ids are strings."""
    return "string" if kind is Kind.UUID else kind.value
