"""Findings that are open."""

from aggregates.finding import Finding, FindingKind
from projections.table import table

findings = table(Finding, indexed=("place_id", "subject", "finding"))

__all__ = ["Finding", "FindingKind", "findings"]
