"""The classes of events, as far as this program has them: else an event's data is a plain dict.

`aggregates` may be installed beside this package or not, and may be older or newer than the cloud.
Whatever does not fit is handed over as it was stored, never dropped and never guessed.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import Any

import msgspec


@cache
def known() -> dict[str, Any]:
    """Every event class by its topic; empty where `aggregates` is not installed."""
    try:
        package = import_module("aggregates")
        base = import_module("aggregates.base")
    except ModuleNotFoundError:
        return {}
    for found in pkgutil.iter_modules(package.__path__):
        import_module(f"aggregates.{found.name}")
    events: dict[str, Any] = base.EVENTS
    return events


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def typed(topic: str, shape: int, fields: bytes | msgspec.Raw) -> Any:
    """An event's data: its class where topic and shape are known, its plain fields otherwise.

    `shape` 0 is the shape that the sender uses now.
    """
    kind = known().get(topic)
    if kind is None or shape > kind.VERSION:
        return msgspec.json.decode(fields)
    try:
        if shape and shape < kind.VERSION:
            return _lifted(kind, shape, fields)
        return _decoder(kind).decode(fields)
    except (msgspec.ValidationError, KeyError):
        return msgspec.json.decode(fields)


def _lifted(kind: Any, shape: int, fields: bytes | msgspec.Raw) -> Any:
    """An old shape, lifted one version at a time to the one that the class has."""
    plain: dict[str, Any] = msgspec.json.decode(fields)
    for version in range(shape, kind.VERSION):
        plain = kind.UPCASTS[version](plain)
    return _decoder(kind).decode(msgspec.json.encode(plain))
