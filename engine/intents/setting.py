"""What may be asked of settings."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class ChangeSetting(Struct, frozen=True, kw_only=True):
    """Give a setting a value for the whole cloud or one scope. `id` is for a first change."""

    id: UUID
    name: str
    value: str
    scope: str = "global"
    scope_id: UUID | None = None


class ResetSetting(Struct, frozen=True, kw_only=True):
    """Let the next wider scope, or the default, count again."""

    name: str
    scope: str = "global"
    scope_id: UUID | None = None
