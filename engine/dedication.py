"""Who may be placed where, as far as places are kept for somebody.

A host is open to an account if every dedication that covers it, of the host itself, its cluster,
its pod and its zone, is the account's or its domain's. Most clouds dedicate nothing, which costs
one look.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aggregates.errors import NotAllowed
from projections.account import accounts
from projections.cloud import Cloud
from projections.dedication import PLACES, Dedication, dedications
from projections.domain import domains
from projections.host import Host, hosts
from projections.zone import zones


@dataclass(frozen=True, slots=True)
class Kept:
    """Hosts that are kept from an account, and hosts that are kept for it."""

    barred: frozenset[UUID] = frozenset()
    own: frozenset[UUID] = frozenset()

    def prefers(self, last_host_id: UUID | None) -> frozenset[UUID]:
        """Its own hosts first; among them, or where there are none, where it was last."""
        if last_host_id is not None and (not self.own or last_host_id in self.own):
            return frozenset({last_host_id})
        return self.own


def kept_for(cloud: Cloud, account_id: UUID, zone_id: UUID) -> Kept:
    """What the dedications of a zone mean for one account; refuses a zone that is another's."""
    if not len(cloud[dedications]):
        return Kept()
    for one in cloud[dedications].by("zone_id", zone_id):
        if not serves(cloud, one, account_id):
            name = cloud[zones][zone_id].name
            raise NotAllowed(f"zone {name} is dedicated to others: choose another zone")
    barred, own = set[UUID](), set[UUID]()
    for one in cloud[dedications]:
        mine = serves(cloud, one, account_id)
        (own if mine else barred).update(host.id for host in hosts_of(cloud, one))
    return Kept(frozenset(barred), frozenset(own - barred))


def serves(cloud: Cloud, one: Dedication, account_id: UUID) -> bool:
    """Is the place kept for this account? A domain's is for all below it too."""
    if one.account_id is not None:
        return one.account_id == account_id
    account = cloud[accounts].get(account_id)
    inside = cloud[domains].get(account.domain_id) if account is not None else None
    top = cloud[domains].get(one.domain_id)
    if inside is None or top is None:
        return False
    return inside.path == top.path or inside.path.startswith(top.path.rstrip("/") + "/")


def hosts_of(cloud: Cloud, one: Dedication) -> Iterable[Host]:
    """The hosts that a dedication covers."""
    if one.host_id is not None:
        host = cloud[hosts].get(one.host_id)
        return () if host is None else (host,)
    attribute, place_id = place_of(one)
    return cloud[hosts].by(attribute, place_id)


def place_of(one: Any) -> tuple[str, UUID]:
    """Which of the four places a dedication names."""
    return next((name, getattr(one, name)) for name in PLACES if getattr(one, name) is not None)
