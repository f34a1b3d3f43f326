"""A noun that is only data costs one class: its fields. Its three events are made from them.

    @record("disk_offering", unique=("name",))
    class DiskOffering(Aggregate):
        name: str
        size_bytes: int

gives `disk_offering.created` (every field), `disk_offering.updated` (the changed ones) and
`disk_offering.removed`. `references` says which fields name another noun, so that nothing can be
made on top of what is not there, and nothing removed that is still needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import msgspec

from aggregates.base import Aggregate, Event, aggregate, event
from aggregates.errors import Invalid

A = TypeVar("A", bound=type[Aggregate])

_IDENTITY = set(Aggregate.__struct_fields__)


@dataclass(frozen=True, slots=True)
class RecordSpec:
    """What the engine needs to know of a data noun to make, change and remove one."""

    row: type[Aggregate]
    created: type[Event]
    updated: type[Event]
    removed: type[Event]
    unique: tuple[tuple[str, ...], ...]
    references: Mapping[str, str]
    hints: Mapping[str, Any]

    def create(self, fields: Mapping[str, Any]) -> Event:
        """The creating event, each field checked against its type."""
        unknown = set(fields) - set(self.created.__struct_fields__)
        if unknown:
            raise Invalid(f"{self.row.KIND} has no field {sorted(unknown)}")
        return msgspec.convert(
            {name: msgspec.to_builtins(value) for name, value in fields.items()}, self.created
        )

    def update(self, row: Aggregate, fields: Mapping[str, Any]) -> Event | None:
        """The event that changes what differs, or None where nothing does."""
        changed = {n: v for n, v in fields.items() if getattr(row, n) != v}
        if not changed:
            return None
        for name, value in changed.items():
            msgspec.convert(msgspec.to_builtins(value), self.hints[name])
        return self.updated(changed=msgspec.to_builtins(changed))


RECORDS: dict[str, RecordSpec] = {}


def record(
    kind: str,
    *,
    unique: Iterable[tuple[str, ...] | str] = (),
    references: Mapping[str, str] | None = None,
) -> Callable[[A], A]:
    """Register a data noun; `unique` lists fields, or tuples of them, that no two rows share."""

    def register(cls: A) -> A:
        aggregate(kind)(cls)
        known = msgspec.structs.fields(cls)
        hints = {f.name: f.type for f in known}
        own = [f for f in known if f.name not in _IDENTITY]
        fields: list[Any] = []
        for f in own:
            if f.default_factory is not msgspec.NODEFAULT:
                spec = msgspec.field(default_factory=f.default_factory)
                fields.append((f.name, hints[f.name], spec))
            elif f.default is not msgspec.NODEFAULT:
                fields.append((f.name, hints[f.name], f.default))
            else:
                fields.append((f.name, hints[f.name]))
        title = cls.__name__
        module = {"__module__": cls.__module__}

        def define(name: str, of: list[Any], **space: Any) -> type[Event]:
            made = msgspec.defstruct(
                name, of, bases=(Event,), namespace=module | space, frozen=True, kw_only=True
            )
            return cast(type[Event], made)

        def update(self: Any, row: Any, at_ms: int) -> None:
            for field, value in self.changed.items():
                setattr(row, field, msgspec.convert(value, hints[field]))

        created = event(f"{kind}.created", creates=cls)(define(f"{title}Created", fields))
        changed = [("changed", dict[str, Any])]
        updated = event(f"{kind}.updated")(define(f"{title}Updated", changed, apply=update))
        removed = event(f"{kind}.removed", removes=True)(define(f"{title}Removed", []))
        pairs = tuple((u,) if isinstance(u, str) else u for u in unique)
        RECORDS[kind] = RecordSpec(cls, created, updated, removed, pairs, references or {}, hints)
        return cls

    return register
