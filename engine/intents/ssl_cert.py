"""What may be asked of a certificate."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from engine.intents.ending import ending


class DeleteSslCert(Struct, frozen=True, kw_only=True):
    """Forget a certificate that no load balancer shows, and shred its key."""

    id: UUID


class AssignSslCert(Struct, frozen=True, kw_only=True):
    """Let a load balancer show a certificate; `forced` replaces the one that it shows."""

    rule_id: UUID
    cert_id: UUID | None
    forced: bool = False


ending("ssl_cert", lambda cert: DeleteSslCert(id=cert.id))
