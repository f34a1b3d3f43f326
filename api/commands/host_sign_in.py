"""How the controller signs in on hosts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated
from uuid import UUID

from api.declare import Caller, Job, Names, Success, Wire, command
from api.errors import InvalidValue
from engine.intents.host import ChangeSignIn, SignIn
from projections.host import Host, hosts


@command("updateHostPassword", returns=Success, allow="A", action="HOST.UPDATE.PASSWORD")
class UpdateHostPassword:
    """Sign in on a host, or on all hosts of a cluster, with another password from now on.

    Each is reached with it first; if one does not let the controller in, all stay as they were.
    """

    username: Annotated[str, "who to be there"]
    password: Annotated[str, "the password of that user; it is sealed"]
    host_id: Annotated[UUID | None, "the host", Names("host", right="operate")] = None
    cluster_id: Annotated[UUID | None, "the cluster", Names("cluster", right="operate")] = None
    update_passwd_on_host: Annotated[
        bool | None,
        "refused: change it on the host, and then tell it here",
        Wire(name="update_passwd_on_host"),
    ] = None

    async def run(self, caller: Caller) -> None:
        if self.update_passwd_on_host:
            raise InvalidValue(
                "update_passwd_on_host is not offered: change the password on the host first"
            )
        if (self.host_id is None) == (self.cluster_id is None):
            raise InvalidValue("either hostid or clusterid must be given: whose password is it?")
        meant = [*self._meant(caller)]
        if not meant:
            raise InvalidValue(f"there is no host in cluster {self.cluster_id}")
        await caller.perform(
            ChangeSignIn(hosts=[await self._sign_in(caller, host) for host in meant])
        )

    def _meant(self, caller: Caller) -> Iterable[Host]:
        if self.host_id is not None:
            return (caller.cloud[hosts][self.host_id],)
        return caller.cloud[hosts].by("cluster_id", self.cluster_id)

    async def _sign_in(self, caller: Caller, host: Host) -> SignIn:
        """Each host has a sealed entry of its own, which goes with it."""
        return SignIn(
            host_id=host.id,
            username=self.username,
            password_ref=await caller.seal(self.password),
            old_username=host.username,
            old_password_ref=host.password_ref,
        )


@command(
    "provisionCertificate",
    returns=Success,
    allow="A",
    is_async=True,
    since="4.11.0",
    action="CA.CERTIFICATE.PROVISION",
)
class ProvisionCertificate:
    """Refused for every host: there is no agent on hosts that would need a certificate."""

    host_id: Annotated[UUID, "the host", Names("host", right="operate")]
    provider: Annotated[str | None, "who would sign it"] = None
    reconnect: Annotated[bool | None, "whether to connect anew; see reconnectHost"] = None

    async def run(self, caller: Caller) -> Job:
        host = caller.cloud[hosts][self.host_id]
        raise InvalidValue(
            f"host {host.name} has no agent that would need a certificate: it is reached by "
            f"{host.url.partition(':')[0]}, whose keys are set up on the host itself"
        )
