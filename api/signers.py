"""Whom keys stand for, kept until a row changes of which that was read.

A user, its account, domain, role, projects and settings are a dozen rows, the same at each request
that one key signs. When any row of such a kind changes, all is read anew: who was locked out, or
has another role, is so from the next request on.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from api.caller import Identity

RESTS_ON = frozenset(
    {"api_key", "user", "account", "domain", "role", "project", "project_member", "setting"}
)
KEPT = 10_000


class Signers:
    """The signers of the live cloud's keys, by the keys' ids; told of every row that changes."""

    def __init__(self) -> None:
        self._kept: dict[UUID, Identity] = {}

    def get(self, key: Any) -> Identity | None:
        return self._kept.get(key.id)

    def keep(self, key: Any, holder: Identity) -> None:
        if len(self._kept) >= KEPT:
            self._kept.clear()
        self._kept[key.id] = holder

    def changed(self, kind: str) -> None:
        """A row of this kind has changed, come or gone."""
        if kind in RESTS_ON:
            self._kept.clear()
