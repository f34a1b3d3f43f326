"""A certificate as the wire shows it: never with its key."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.authz import noun
from api.declare import Cloud, view
from api.views.owner import OwnedView, owner
from projections.load_balancer_rule import load_balancer_rules
from projections.ssl_cert import SslCert

noun("ssl_cert", "owned")


@view
class SslCertView(OwnedView, kw_only=True):
    """A certificate of a load balancer."""

    id: Annotated[UUID, "the certificate"]
    name: Annotated[str, "its name"]
    certificate: Annotated[str, "the certificate in PEM form"]
    cert_chain: Annotated[str | None, "those that signed it"] = None
    fingerprint: Annotated[str, "its SHA-256"]
    load_balancer_rule_list: Annotated[list[str], "the load balancer rules that show it"]

    @classmethod
    def of(cls, row: SslCert, cloud: Cloud) -> SslCertView:
        shown = cloud[load_balancer_rules].by("ssl_cert_id", row.id)
        return cls(
            id=row.id,
            name=row.name,
            certificate=row.certificate,
            cert_chain=row.chain or None,
            fingerprint=row.fingerprint,
            load_balancer_rule_list=[str(one.id) for one in shown],
            **owner(row, cloud),
        )
