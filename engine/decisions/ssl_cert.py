"""Which certificate a load balancer shows."""

from __future__ import annotations

from aggregates.errors import AlreadyExists, Invalid, NotAllowed
from engine.decide import Desk, decision
from engine.decisions import record
from engine.intents.record import UpdateRecord
from engine.intents.ssl_cert import AssignSslCert
from projections.load_balancer_rule import load_balancer_rules
from projections.ssl_cert import ssl_certs


@decision
def assign(ask: AssignSslCert, desk: Desk) -> None:
    rule = desk.row(load_balancer_rules, ask.rule_id)
    if ask.cert_id is None:
        if rule.ssl_cert_id is None:
            raise NotAllowed(f"load balancer {rule.name} shows no certificate: none can be removed")
    else:
        cert = desk.row(ssl_certs, ask.cert_id)
        if cert.account_id != rule.account_id:
            raise Invalid(
                f"certificate {cert.name} is another account's than load balancer {rule.name}",
                field="certid",
            )
        if rule.protocol != "ssl":
            raise Invalid(
                f"load balancer {rule.name} speaks {rule.protocol}: only one for ssl shows a "
                "certificate",
                field="lbruleid",
            )
        if rule.ssl_cert_id not in (None, cert.id) and not ask.forced:
            raise AlreadyExists(
                f"load balancer {rule.name} shows another certificate already: remove that, or "
                "say forced=true"
            )
    fields = {"ssl_cert_id": ask.cert_id}
    record.update(UpdateRecord(kind="load_balancer_rule", id=rule.id, fields=fields), desk)
