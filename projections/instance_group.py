"""Instance groups as they are read."""

from aggregates.instance_group import InstanceGroup
from projections.table import table

instance_groups = table(InstanceGroup, indexed=("account_id", "domain_id", "name"))

__all__ = ["InstanceGroup", "instance_groups"]
