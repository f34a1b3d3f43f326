"""An affinity group: guests that are to run on one host, or on none together."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aggregates.base import Aggregate, Event, event
from aggregates.record import record

APART, TOGETHER = "host anti-affinity", "host affinity"
# The words that createAffinityGroup takes. A strict group is a rule; the others are wishes.
KINDS = (APART, TOGETHER, f"non-strict {APART}", f"non-strict {TOGETHER}")


@record(
    "affinity_group",
    unique=(("account_id", "name"),),
    references={"account_id": "account", "domain_id": "domain"},
)
class AffinityGroup(Aggregate):
    """`kind` is one of `KINDS`; which guests are in it, each guest says of itself."""

    name: str
    account_id: UUID
    domain_id: UUID
    kind: str
    description: str = ""

    @property
    def is_strict(self) -> bool:
        return self.kind in (APART, TOGETHER)

    @property
    def keeps_apart(self) -> bool:
        return self.kind.endswith(APART)


@event("affinity_group.placed")
class AffinityGroupPlaced(Event, frozen=True, kw_only=True):
    """A guest of the group was promised a host.

    It changes nothing of the group but its version, and that is its purpose: of two guests that
    are placed at one moment, each without knowing of the other, the log admits one.
    """

    vm_id: UUID
    host_id: UUID

    def apply(self, row: Any, at_ms: int) -> None:
        return None
