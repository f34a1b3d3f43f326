"""What DNS domains of networks may be, and that of one whose maker names none."""

from __future__ import annotations

from uuid import UUID

from aggregates.dns_domain import dns_domain
from projections.account import accounts
from projections.cloud import Cloud
from projections.domain import domains
from projections.setting import value_of, wider
from projections.zone import zones

__all__ = ["dns_domain", "usual_domain"]


def usual_domain(cloud: Cloud, account_id: UUID, zone_id: UUID) -> str:
    """Its account's, else that of the nearest domain above, its zone's, or one made for it."""
    account = cloud[accounts].get(account_id)
    above = [cloud[domains].get(one) for one in wider(cloud, "account", account_id)]
    for row in (account, *above, cloud[zones].get(zone_id)):
        said = getattr(row, "network_domain", "") or getattr(row, "domain", "")
        if said:
            return str(said)
    suffix = value_of(cloud, "guest.domain.suffix", zone_id)
    return f"cs{account_id.hex[:8]}.{suffix}"
