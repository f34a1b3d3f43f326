"""A download link: a file of the controller's that whoever has its URL may fetch for a while."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record("download_link")
class DownloadLink(Aggregate):
    """`kind` and `thing_id` say what is downloaded, `path` which file, and empty while it is made.

    `is_made` says that the file was made for the link and ends with it. The URL's secret lies in
    the vault as `token_ref`.
    """

    kind: str
    thing_id: UUID
    name: str
    account_id: UUID
    domain_id: UUID
    token_ref: str
    expires_at_ms: int
    zone_id: UUID | None = None
    path: str = ""
    is_made: bool = False
    size_bytes: int = 0
