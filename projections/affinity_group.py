"""Affinity groups as they are read."""

from aggregates.affinity_group import KINDS, AffinityGroup
from projections.table import table

affinity_groups = table(AffinityGroup, indexed=("account_id", "domain_id", "name"))

__all__ = ["KINDS", "AffinityGroup", "affinity_groups"]
