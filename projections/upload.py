"""Uploads as they are read."""

from aggregates.upload import Upload
from projections.table import table

uploads = table(Upload, indexed=("account_id", "domain_id"))

__all__ = ["Upload", "uploads"]
