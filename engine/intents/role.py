"""What may be asked about the rules of a role."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class ChangeRole(Struct, frozen=True, kw_only=True):
    """Change what a role is called or may do; None leaves a thing as it is."""

    role_id: UUID
    name: str | None = None
    description: str | None = None
    is_public: bool | None = None
    rules: list[tuple[str, bool]] | None = None
    notes: dict[str, str] | None = None
    role_type: str | None = None
    state: str | None = None


class DeleteRole(Struct, frozen=True, kw_only=True):
    """Delete a role that no account has."""

    role_id: UUID
