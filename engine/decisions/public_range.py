"""Ranges of public addresses that are kept for somebody."""

from __future__ import annotations

from aggregates.errors import AlreadyExists, InUse, Invalid, NotAllowed
from engine.decide import Desk, decision
from engine.decisions import record
from engine.intents.public_range import DedicateRange
from engine.intents.record import UpdateRecord
from engine.public_addresses import is_above
from projections.domain import domains
from projections.public_ip_address import public_ip_addresses
from projections.vlan_ip_range import vlan_ip_ranges


@decision
def dedicate(ask: DedicateRange, desk: Desk) -> None:
    row = desk.row(vlan_ip_ranges, ask.id)
    if row.network_id is not None or not row.for_virtual_network:
        raise Invalid(f"the range {row.start_ip}-{row.end_ip} is of guests: choose a public one")
    kept = row.account_id is not None or row.domain_id is not None
    if ask.account_id is None and ask.domain_id is None:
        if not kept:
            raise NotAllowed(f"the range {row.start_ip}-{row.end_ip} is kept for nobody")
    elif kept:
        raise AlreadyExists(
            f"the range {row.start_ip}-{row.end_ip} is kept for somebody: release it first"
        )
    for address in desk.cloud[public_ip_addresses].by("range_id", row.id):
        theirs = ask.account_id not in (None, address.account_id)
        path = desk.cloud[domains][address.domain_id].path
        outside = ask.domain_id is not None and not is_above(desk.cloud, ask.domain_id, path)
        if theirs or outside:
            raise InUse(
                f"address {address.address} of the range is another account's: have it released"
            )
    fields = {"account_id": ask.account_id, "domain_id": ask.domain_id}
    record.update(UpdateRecord(kind="vlan_ip_range", id=row.id, fields=fields), desk)
