"""Settings as they are read: what was changed, else the default."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from aggregates.known_settings import KNOWN
from aggregates.operation_settings import DISABLES, NOTIFIES
from aggregates.setting import Setting
from aggregates.setting_groups import GROUPS
from aggregates.setting_terms import KnownSetting
from projections.table import table
from projections.tables import Tables

settings = table(Setting, indexed=("name",))


def value_of(cloud: Tables, name: str, *scope_ids: UUID | None) -> str:
    """The value that counts: that of the first scope which has one, of the cloud, the default."""
    rows = cloud[settings].by("name", name)
    if not rows:
        return KNOWN[name].default
    changed = {row.scope_id: row.value for row in rows}
    for scope_id in (*(one for one in scope_ids if one is not None), None):
        if scope_id in changed:
            return changed[scope_id]
    return KNOWN[name].default


def number_of(cloud: Tables, name: str, *scope_ids: UUID | None) -> float:
    """The same for a setting that is a number."""
    return float(value_of(cloud, name, *scope_ids))


def is_on(cloud: Tables, name: str, *scope_ids: UUID | None) -> bool:
    """The same for a setting that is true or false."""
    return value_of(cloud, name, *scope_ids).lower() == "true"


def wider(cloud: Tables, kind: str, row_id: UUID | None) -> tuple[UUID, ...]:
    """The scopes that count for a thing of this kind, the narrowest first: itself, then its
    cluster and zone, or its domain and all above that."""
    return tuple(_wider(cloud, kind, row_id))


def _wider(cloud: Tables, kind: str, row_id: UUID | None) -> Iterator[UUID]:
    row = None if row_id is None else cloud.table(kind).get(row_id)
    if row is None:
        return
    yield row.id
    if kind in ("account", "domain"):
        above = row.domain_id if kind == "account" else row.parent_id
        yield from _wider(cloud, "domain", above)
    else:
        places = (getattr(row, "cluster_id", None), getattr(row, "zone_id", None))
        yield from (one for one in places if one is not None)


__all__ = [
    "DISABLES",
    "GROUPS",
    "KNOWN",
    "NOTIFIES",
    "KnownSetting",
    "Setting",
    "is_on",
    "number_of",
    "settings",
    "value_of",
    "wider",
]
