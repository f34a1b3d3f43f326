"""Security groups: which traffic reaches the guests that are in them, and leaves them."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate, Event, event
from aggregates.record import record
from aggregates.vm import Vm

DEFAULT_GROUP = "default"


@record(
    "security_group",
    unique=(("account_id", "name"),),
    references={"account_id": "account", "domain_id": "domain"},
)
class SecurityGroup(Aggregate):
    """Each account has a group `default`: that of guests which were put in no other."""

    name: str
    account_id: UUID
    domain_id: UUID
    description: str = ""


@record(
    "security_group_rule",
    references={"security_group_id": "security_group", "peer_group_id": "security_group"},
)
class SecurityGroupRule(Aggregate):
    """Lets one kind of traffic through, from or to a subnet or the guests of another group.

    `is_egress` says which way. `batch` is the same for all rules that were asked for at once.
    Without any egress rule a group lets everything out.
    """

    security_group_id: UUID
    account_id: UUID
    domain_id: UUID
    is_egress: bool
    protocol: str
    batch: UUID
    start_port: int | None = None
    end_port: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    cidr: str = ""
    peer_group_id: UUID | None = None


@event("vm.security_groups_set")
class VmSecurityGroupsSet(Event, frozen=True, kw_only=True):
    """The guest is in these groups from now on."""

    security_group_ids: list[UUID]

    def apply(self, row: Vm, at_ms: int) -> None:
        row.security_group_ids = list(self.security_group_ids)
