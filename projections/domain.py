"""Domains as they are read."""

from aggregates.domain import Domain
from projections.table import table

domains = table(Domain, indexed=("parent_id", "path"))

__all__ = ["Domain", "domains"]
