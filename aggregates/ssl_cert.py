"""A certificate that a load balancer shows. Its private key is in the sealed store."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Aggregate
from aggregates.record import record


@record(
    "ssl_cert",
    unique=(("account_id", "name"),),
    references={"account_id": "account", "domain_id": "domain"},
)
class SslCert(Aggregate):
    """`fingerprint` is the SHA-256 of the certificate; `ends_at_ms` is when it expires."""

    name: str
    account_id: UUID
    domain_id: UUID
    certificate: str
    key_ref: str
    fingerprint: str
    ends_at_ms: int
    chain: str = ""
