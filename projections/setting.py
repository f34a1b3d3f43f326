"""Settings as they are read: what was changed, else the default."""

from __future__ import annotations

from uuid import UUID

from aggregates.known_settings import KNOWN, KnownSetting
from aggregates.setting import Setting
from projections.cloud import Cloud
from projections.table import table

settings = table(Setting, indexed=("name",))


def value_of(cloud: Cloud, name: str, *scope_ids: UUID | None) -> str:
    """The value that counts: that of the first scope which has one, of the cloud, the default."""
    changed = {row.scope_id: row.value for row in cloud[settings].by("name", name)}
    for scope_id in (*(one for one in scope_ids if one is not None), None):
        if scope_id in changed:
            return changed[scope_id]
    return KNOWN[name].default


def number_of(cloud: Cloud, name: str, *scope_ids: UUID | None) -> float:
    """The same for a setting that is a number."""
    return float(value_of(cloud, name, *scope_ids))


def is_on(cloud: Cloud, name: str, *scope_ids: UUID | None) -> bool:
    """The same for a setting that is true or false."""
    return value_of(cloud, name, *scope_ids).lower() == "true"


__all__ = ["KNOWN", "KnownSetting", "Setting", "is_on", "number_of", "settings", "value_of"]
