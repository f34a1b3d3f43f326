"""What may be asked of rules on public addresses and on networks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct, field

from engine.intents.ending import THINGS, ending

RULES = THINGS - 10


class CreateIpRule(Struct, frozen=True, kw_only=True):
    """A rule of a kind on a public address, or for egress on a network.

    `opens` is the id of the firewall rule that lets its traffic in, if one is to be made, from
    `from_cidrs` or from where the rule itself says.
    """

    kind: str
    id: UUID
    fields: dict[str, Any]
    opens: UUID | None = None
    from_cidrs: list[str] = field(default_factory=list)


class UpdateIpRule(Struct, frozen=True, kw_only=True):
    kind: str
    id: UUID
    fields: dict[str, Any] = field(default_factory=dict)


class RemoveIpRule(Struct, frozen=True, kw_only=True):
    """Remove a rule, and the firewall rule that was opened for it."""

    kind: str
    id: UUID


class AssignMembers(Struct, frozen=True, kw_only=True):
    """Let guests take connections of a load balancer. An empty address is the guest's first."""

    kind: str
    id: UUID
    members: list[tuple[UUID, str]]


class RemoveMembers(Struct, frozen=True, kw_only=True):
    """Let guests take none any more; an empty address means every one of the guest."""

    kind: str
    id: UUID
    members: list[tuple[UUID, str]]


for _kind in (
    "firewall_rule",
    "egress_firewall_rule",
    "port_forwarding_rule",
    "ip_forwarding_rule",
    "load_balancer_rule",
):
    ending(_kind, lambda rule: RemoveIpRule(kind=rule.KIND, id=rule.id), turn=RULES)
