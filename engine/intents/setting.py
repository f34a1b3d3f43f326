"""What may be asked of settings."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSetting:
    """Give a setting a value for the whole cloud or one scope. `id` is for a first change."""

    id: UUID
    name: str
    value: str
    scope: str = "global"
    scope_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetSetting:
    """Let the next wider scope, or the default, count again."""

    name: str
    scope: str = "global"
    scope_id: UUID | None = None
