"""Names that only one may bear at a time, each with a ledger stream of its own.

Two that ask for one name at the same moment both see it free. Both claim it at the same version of
its ledger, so the log lets one of them in. Who bears it now is for the noun's own table to say: a
claim is never released, the next one simply follows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import NAMESPACE_OID, UUID

from aggregates.base import Event, event
from aggregates.ids import uuid5


def name_ledger(kind: str, fields: Sequence[str], values: Sequence[object]) -> UUID:
    """The stream that tells who has borne these values of a noun's unique fields."""
    pairs = "/".join(f"{f}={v}" for f, v in zip(fields, values, strict=True))
    return uuid5(NAMESPACE_OID, f"sagastack:name:{kind}/{pairs}")


@event("name.claimed")
class NameClaimed(Event, frozen=True, kw_only=True):
    """`owner`, a thing of this kind, took these values when nobody bore them."""

    kind: str
    fields: list[str]
    values: list[str]
    owner: UUID
