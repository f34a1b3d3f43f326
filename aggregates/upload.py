"""An upload that is awaited: whoever has its signature may send one file for a while."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record("upload")
class Upload(Aggregate):
    """`kind` and `thing_id` say what the file becomes, `path` where it shall lie.

    Of the signature only its SHA-256 is kept: it is told once, to whoever asked for the upload.
    """

    kind: str
    thing_id: UUID
    account_id: UUID
    domain_id: UUID
    signature_sha256: str
    expires_at_ms: int
    bytes_max: int
    path: str
    image_format: str
    checksum: str = ""
