"""Certificates of load balancers: upload, delete, list, and let a load balancer show one."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api import records
from api.commands.vm_checks import refuse_later
from api.declare import Caller, Job, Length, Names, Success, command
from api.lists import Filter, list_command
from api.scope import owner_for
from api.views.ssl_cert import SslCertView
from engine.intents.record import CreateRecord
from engine.intents.ssl_cert import AssignSslCert, DeleteSslCert
from projections.ssl_cert import SslCert, ssl_certs

KIND, RULE = "ssl_cert", "load_balancer_rule"
PEM = Length(2**16)


@command(
    "uploadSslCert",
    returns=SslCertView,
    key="sslcert",
    allow="ARDU",
    action="LB.CERT.UPLOAD",
)
class UploadSslCert:
    """Keep a certificate with its private key, which nobody is ever told again."""

    name: Annotated[str, "its name"]
    certificate: Annotated[str, "the certificate in PEM form", PEM]
    private_key: Annotated[str, "its private key in PEM form", PEM]
    cert_chain: Annotated[str | None, "those that signed it, from it upwards", PEM] = None
    password: Annotated[str | None, "what the private key is encrypted with"] = None
    account: Annotated[str | None, "the account that shall own it"] = None
    domain_id: Annotated[UUID | None, "that account's domain", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project that shall own it", Names("project")] = None
    enabled_revocation_check: Annotated[bool | None, "true is refused: lists are not asked"] = None

    async def run(self, caller: Caller) -> SslCert:
        refuse_later(self, ("enabled_revocation_check",))
        account_id, domain_id = owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )
        # Reading certificates takes a library that nothing else of a controller needs.
        from api.certificates import checked

        found = checked(
            self.certificate,
            self.private_key,
            self.cert_chain or "",
            self.password or "",
            caller.now_ms,
        )
        fields = {
            "name": self.name,
            "account_id": account_id,
            "domain_id": domain_id,
            "certificate": found.certificate,
            "chain": found.chain,
            "key_ref": await caller.seal(found.key),
            "fingerprint": found.fingerprint,
            "ends_at_ms": found.ends_at_ms,
        }
        row_id = caller.new_id()
        await caller.decide(CreateRecord(kind=KIND, id=row_id, fields=fields))
        return caller.cloud[ssl_certs][row_id]


@command("deleteSslCert", returns=Success, allow="ARDU", action="LB.CERT.DELETE")
class DeleteSslCertCommand:
    """Forget a certificate that no load balancer shows; its key is shredded."""

    id: Annotated[UUID, "the certificate", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> None:
        await caller.perform(DeleteSslCert(id=self.id))


@command(
    "assignCertToLoadBalancer",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="LB.CERT.ASSIGN",
)
class AssignCertToLoadBalancer:
    """Let a load balancer for ssl show a certificate."""

    lb_rule_id: Annotated[UUID, "the load balancer rule", Names(RULE, right="operate")]
    cert_id: Annotated[UUID, "the certificate", Names(KIND, right="operate")]
    forced: Annotated[bool | None, "replace the one that it shows"] = None

    async def run(self, caller: Caller) -> Job:
        ask = AssignSslCert(rule_id=self.lb_rule_id, cert_id=self.cert_id, forced=bool(self.forced))
        return await records.as_job(caller, ask, RULE, self.lb_rule_id)


@command(
    "removeCertFromLoadBalancer",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="LB.CERT.REMOVE",
)
class RemoveCertFromLoadBalancer:
    """Let a load balancer show no certificate any more."""

    lb_rule_id: Annotated[UUID, "the load balancer rule", Names(RULE, right="operate")]

    async def run(self, caller: Caller) -> Job:
        ask = AssignSslCert(rule_id=self.lb_rule_id, cert_id=None)
        return await records.as_job(caller, ask, RULE, self.lb_rule_id)


@list_command("listSslCerts", view=SslCertView, table=ssl_certs, key="sslcert")
class ListSslCerts:
    """List certificates."""

    cert_id: Annotated[
        UUID | None, "the one with this id", Names(KIND, right="see"), Filter("id")
    ] = None
    account_id: Annotated[UUID | None, "of this account", Names("account", right="see")] = None
    lb_rule_id: Annotated[
        UUID | None, "that this rule shows", Names(RULE, right="see"), Filter()
    ] = None

    def matches(self, row: Any, caller: Caller) -> bool:
        rule = caller.cloud.table(RULE).get(self.lb_rule_id)
        return self.lb_rule_id is None or (rule is not None and rule.ssl_cert_id == row.id)
