"""Certificates as far as their keys are concerned: what is forgotten is shredded."""

from __future__ import annotations

from aggregates.errors import InUse
from aggregates.record import RECORDS
from engine import people
from engine.intents.ssl_cert import DeleteSslCert
from engine.saga import Run, Saga
from projections.load_balancer_rule import load_balancer_rules
from projections.ssl_cert import ssl_certs

delete_cert = Saga(
    "ssl_cert.delete:1", DeleteSslCert, "ssl_cert", lambda ask: ask.id, forward_only=True
)


@delete_cert.step
def forget(run: Run[DeleteSslCert]) -> list[str]:
    row = run.row(ssl_certs, run.intent.id)
    for rule in run.cloud[load_balancer_rules].by("ssl_cert_id", row.id):
        raise InUse(f"certificate {row.name} is in use by load balancer {rule.name}: remove it")
    run.change(row, RECORDS["ssl_cert"].removed())
    return [row.key_ref]


@delete_cert.step
async def shred(run: Run[DeleteSslCert]) -> None:
    await people.shred(run, run[forget])
