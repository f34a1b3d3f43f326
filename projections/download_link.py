"""Download links as they are read."""

from aggregates.download_link import DownloadLink
from projections.table import table

download_links = table(DownloadLink, indexed=("account_id", "domain_id"))

__all__ = ["DownloadLink", "download_links"]
