"""What may be asked about downloads."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from engine.intents.ending import ending


class OpenDownload(Struct, frozen=True, kw_only=True):
    """Let a template, an ISO or a volume be fetched until `expires_at_ms`.

    The kind `image_store` is a file of a store, by its `path`.
    """

    link_id: UUID
    kind: str
    thing_id: UUID
    account_id: UUID
    domain_id: UUID
    token_ref: str
    expires_at_ms: int
    zone_id: UUID | None = None
    path: str = ""


class CloseDownload(Struct, frozen=True, kw_only=True):
    link_id: UUID


ending("download_link", lambda link: CloseDownload(link_id=link.id))
