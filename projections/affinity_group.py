"""Affinity groups as they are read."""

from aggregates.affinity_group import KINDS, AffinityGroup
from projections.cloud import Cloud
from projections.picked import Picked
from projections.table import table
from projections.vm import Vm, vms

affinity_groups = table(AffinityGroup, indexed=("account_id", "domain_id", "name"))

__all__ = ["KINDS", "AffinityGroup", "affinity_groups", "members"]


def members(cloud: Cloud, group: AffinityGroup) -> Picked[Vm]:
    """The guests in a group: its owner's, as nobody else's can join.

    There may be as many sets of groups as there are tenants, so who has few guests is looked at
    guest by guest, and who has many by the sets.
    """
    return cloud[vms].both(
        "account_id", group.account_id, "affinity_group_ids", lambda ids: group.id in ids
    )
