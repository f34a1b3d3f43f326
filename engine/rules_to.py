"""Which network rules lead to a guest: what must be removed before its address may go."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from aggregates.errors import InUse
from aggregates.vm import Nic, Vm
from engine.ip_rules import addresses_of
from projections.cloud import Cloud
from projections.table import TABLES

KINDS = ("port_forwarding_rule", "load_balancer_rule", "load_balancer", "public_ip_address")


def rules_to(cloud: Cloud, vm_id: UUID) -> Iterator[tuple[str, UUID, str]]:
    """Kind and id of each rule that leads to the guest, and the guest's address that it names."""
    for kind in KINDS:
        spec = TABLES.get(kind)
        if spec is None:
            continue
        indexed = "vm_id" in spec.indexed
        for row in cloud[spec].by("vm_id", vm_id) if indexed else cloud[spec]:
            if getattr(row, "vm_id", None) == vm_id:
                yield kind, row.id, row.vm_ip
            for member in getattr(row, "members", ()):
                if member.vm_id == vm_id:
                    yield kind, row.id, member.ip


def refuse_ruled(cloud: Cloud, vm: Vm, nic: Nic, ip: str = "") -> None:
    """Refuse to take an address from a card, or all that it has, while rules lead there."""
    addresses = {ip} if ip else addresses_of(nic)
    for kind, rule_id, address in rules_to(cloud, vm.id):
        if address in addresses:
            raise InUse(
                f"address {address} of virtual machine {vm.name} is used by "
                f"{kind.replace('_', ' ')} {rule_id}: remove that first"
            )
