"""Dedications as they are read."""

from aggregates.dedication import Dedication
from projections.table import table

PLACES = ("zone_id", "pod_id", "cluster_id", "host_id")

dedications = table(Dedication, indexed=(*PLACES, "account_id", "domain_id"))

__all__ = ["PLACES", "Dedication", "dedications"]
