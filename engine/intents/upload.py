"""What may be asked about uploads."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct

from engine.intents.ending import ending


class AwaitUpload(Struct, frozen=True, kw_only=True):
    """Make what `ask` describes (RegisterTemplate, RegisterIso or UploadVolume), less its file.

    The file may be sent until `expires_at_ms` by whoever has the signature.
    """

    upload_id: UUID
    signature_sha256: str
    expires_at_ms: int
    bytes_max: int
    ask: Any


class TakeUpload(Struct, frozen=True, kw_only=True):
    """The file is here: look at it, and let it become what it was sent for."""

    upload_id: UUID


class GiveUpUpload(Struct, frozen=True, kw_only=True):
    """No file came, or nobody wants it any more."""

    upload_id: UUID
    why: str


ending("upload", lambda upload: GiveUpUpload(upload_id=upload.id, why="its owner is gone"))
