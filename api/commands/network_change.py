"""What becomes of a guest network: change it, restart it, delete it, say who may use it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api import records
from api.commands.custom_id import KeepsId
from api.commands.resolving import DNS_DOMAIN, ip4
from api.commands.vm_checks import refuse_later
from api.declare import Caller, Job, Later, Names, Page, Roles, Success, command, part
from api.errors import InvalidValue, ParamError
from api.scope import named_account
from api.views.network import NetworkPermissionView, NetworkView
from engine.intents.network import PermitNetwork, RemoveNetwork, RestartNetwork, UpdateNetwork
from projections.account import accounts
from projections.network import Network, networks

KIND = "network"


@command(
    "updateNetwork",
    returns=NetworkView,
    key="network",
    allow="ARDU",
    is_async=True,
    action="NETWORK.UPDATE",
)
class UpdateGuestNetwork(KeepsId):
    """Rename a network, give it other services, or keep a part of its subnet from guests."""

    id: Annotated[UUID, "the network", Names(KIND, right="operate")]
    name: Annotated[str | None, "its new name"] = None
    display_text: Annotated[str | None, "what to say of it"] = None
    network_domain: Annotated[str | None, "the DNS domain of its guests", DNS_DOMAIN] = None
    dns1: Annotated[str | None, "the first resolver of its guests", ip4] = None
    dns2: Annotated[str | None, "the second resolver of its guests", ip4] = None
    display_network: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    network_offering_id: Annotated[
        UUID | None, "another offering of its kind", Names("network_offering")
    ] = None
    change_cidr: Annotated[bool | None, "accepted: its subnet stays the same"] = None
    guest_vm_cidr: Annotated[str | None, "the part of its subnet that guests get"] = None
    source_nat_ip_address: Annotated[str | None, "the address its guests go out by", ip4] = None
    forced: Annotated[bool | None, "ignored: rules are never lost by a change", Roles("Admin")] = (
        None
    )
    update_in_sequence: Annotated[bool | None, "ignored: there is one router"] = None
    private_mtu: Annotated[int | None, "not offered yet"] = None
    public_mtu: Annotated[int | None, "not offered yet"] = None
    ip6_dns1: Annotated[str | None, "not offered yet"] = None
    ip6_dns2: Annotated[str | None, "not offered yet"] = None
    hide_ip_address_usage: Annotated[
        bool | None, "not offered yet", Later("usage of addresses is always shown")
    ] = None

    async def run(self, caller: Caller) -> Job:
        refuse_later(self, ("private_mtu", "public_mtu", "ip6_dns1", "ip6_dns2"))
        if self.network_offering_id is not None and self.source_nat_ip_address:
            raise ParamError("change networkofferingid and sourcenatipaddress one after the other")
        ask = UpdateNetwork(
            network_id=self.id,
            name=self.name or None,
            display_text=self.display_text,
            network_domain=self.network_domain,
            is_displayed=self.display_network,
            dns1=self.dns1,
            dns2=self.dns2,
            offering_id=self.network_offering_id,
            guest_vm_cidr=self.guest_vm_cidr or None,
            source_nat_ip=self.source_nat_ip_address or "",
        )
        return await records.as_job(caller, ask, KIND, self.id)


@command("restartNetwork", returns=Success, allow="ARDU", is_async=True, action="NETWORK.RESTART")
class RestartGuestNetwork:
    """Bring what serves a network in line with its rules."""

    id: Annotated[UUID, "the network", Names(KIND, right="operate")]
    cleanup: Annotated[bool | None, "make its router anew"] = None
    make_redundant: Annotated[bool | None, "not offered: a network has one router"] = None
    live_patch: Annotated[bool | None, "not offered: no router runs that could be patched"] = None

    async def run(self, caller: Caller) -> Job:
        refuse_later(self, ("make_redundant", "live_patch"))
        ask = RestartNetwork(network_id=self.id, cleanup=bool(self.cleanup))
        return await records.as_job(caller, ask, KIND, self.id)


@command("deleteNetwork", returns=Success, allow="ARDU", is_async=True, action="NETWORK.DELETE")
class DeleteGuestNetwork:
    """Delete a network that no virtual machine is on, with its rules, addresses and router."""

    id: Annotated[UUID, "the network", Names(KIND, right="operate")]
    forced: Annotated[bool | None, "ignored: guests are never cut off"] = None

    async def run(self, caller: Caller) -> Job:
        return await records.as_job(caller, RemoveNetwork(network_id=self.id), KIND, self.id)


@part
class Permitted:
    """A network, and others who may use it, as permissions are asked for."""

    network_id: Annotated[UUID, "the network", Names(KIND, right="operate")]
    accounts: Annotated[tuple[str, ...] | None, "accounts of its domain by their names"] = None
    account_ids: Annotated[
        tuple[UUID, ...] | None, "accounts by their ids", Names("account", right="see")
    ] = None
    project_ids: Annotated[
        tuple[UUID, ...] | None, "projects by their ids", Names("project", right="see")
    ] = None

    def named(self, caller: Caller) -> list[UUID]:
        """The accounts that are meant: by name in the network's domain, by id, or as projects."""
        network = caller.cloud[networks][self.network_id]
        projects = caller.cloud.table("project")
        found = list(self.account_ids or ())
        found += [_account(caller, network, name) for name in self.accounts or ()]
        found += [projects[one].account_id for one in self.project_ids or ()]
        if not found:
            raise ParamError("accounts, accountids or projectids is needed: say who is meant")
        return list(dict.fromkeys(found))


def _account(caller: Caller, network: Network, name: str) -> UUID:
    """An account of the network's domain. A tenant may give to its neighbours there."""
    if caller.is_root or caller.identity.is_domain_admin:
        return named_account(caller, name, network.domain_id)
    for row in caller.cloud[accounts].by_text("name", name):
        if row.domain_id == network.domain_id:
            return row.id
    raise InvalidValue(f"Unable to find account {name} in the domain of the network: check both")


@command(
    "createNetworkPermissions", returns=Success, allow="ARDU", action="NETWORK.PERMISSION.CREATE"
)
class CreateNetworkPermissions(Permitted):
    """Let other accounts put guests on a network."""

    async def run(self, caller: Caller) -> None:
        await caller.decide(PermitNetwork(network_id=self.network_id, add=self.named(caller)))


@command(
    "removeNetworkPermissions", returns=Success, allow="ARDU", action="NETWORK.PERMISSION.REMOVE"
)
class RemoveNetworkPermissions(Permitted):
    """Let accounts put no more guests on a network; those that are there stay."""

    async def run(self, caller: Caller) -> None:
        await caller.decide(PermitNetwork(network_id=self.network_id, take=self.named(caller)))


@command(
    "resetNetworkPermissions", returns=Success, allow="ARDU", action="NETWORK.PERMISSION.RESET"
)
class ResetNetworkPermissions:
    """Let nobody but its owner put guests on a network."""

    network_id: Annotated[UUID, "the network", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> None:
        await caller.decide(PermitNetwork(network_id=self.network_id, take_all=True))


@command(
    "listNetworkPermissions",
    returns=NetworkPermissionView,
    key="networkpermission",
    shape="list",
    allow="ARDU",
)
class ListNetworkPermissions:
    """List who may put guests on a network beside its owner."""

    network_id: Annotated[UUID, "the network", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Page:
        row = caller.cloud[networks][self.network_id]
        found = [
            NetworkPermissionView.of_account(row, account, caller.cloud)
            for account in map(caller.cloud[accounts].get, row.permitted)
            if account is not None
        ]
        return Page(len(found), found)
