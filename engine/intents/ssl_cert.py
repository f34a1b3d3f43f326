"""What may be asked of a certificate."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from engine.intents.ending import ending


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteSslCert:
    """Forget a certificate that no load balancer shows, and shred its key."""

    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignSslCert:
    """Let a load balancer show a certificate; `forced` replaces the one that it shows."""

    rule_id: UUID
    cert_id: UUID | None
    forced: bool = False


ending("ssl_cert", lambda cert: DeleteSslCert(id=cert.id))
