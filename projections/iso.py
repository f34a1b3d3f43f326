"""ISOs as they are read."""

from aggregates.iso import Iso
from projections.table import table

isos = table(Iso, indexed=("account_id", "domain_id", "name"))

__all__ = ["Iso", "isos"]
