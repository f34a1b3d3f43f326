"""Access lists: make, change, delete and list them, and put them before tiers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from api import records
from api.commands.custom_id import KeepsId
from api.declare import Caller, Job, Names, Roles, Success, command
from api.errors import ParamError, missing
from api.lists import Displayed, Filter, list_command
from api.scope import reach_of
from api.views.network_acl import NetworkAclView
from engine.intents.vpc import ReplaceNetworkAcl
from projections.network import networks
from projections.network_acl import NetworkAcl, network_acls
from projections.vpc import vpcs

KIND, CREATE = "network_acl", "createNetworkACLList"
ForDisplay = Annotated[bool | None, "whether its owner sees it", Roles("Admin")]


@command(
    CREATE,
    returns=NetworkAclView,
    key="networkacllist",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="NETWORK.ACL.CREATE",
)
class CreateNetworkAclList:
    """Make an access list for the tiers of a VPC. Without lines it lets nothing pass."""

    name: Annotated[str, "its name"]
    vpc_id: Annotated[UUID | None, "the VPC; needed", Names("vpc", right="operate")] = None
    description: Annotated[str | None, "what to say of it"] = None
    for_display: ForDisplay = None

    async def run(self, caller: Caller) -> Job:
        if self.vpc_id is None:
            raise missing(CREATE, "vpcid")
        vpc = caller.cloud[vpcs][self.vpc_id]
        fields = {
            "name": self.name,
            "description": self.description or "",
            "vpc_id": vpc.id,
            "account_id": vpc.account_id,
            "domain_id": vpc.domain_id,
            "is_displayed": self.for_display is not False,
        }
        return await records.create(caller, KIND, fields)


@command(
    "updateNetworkACLList",
    returns=NetworkAclView,
    key="networkacllist",
    allow="ARDU",
    is_async=True,
    action="NETWORK.ACL.UPDATE",
)
class UpdateNetworkAclList(KeepsId):
    """Rename an access list."""

    id: Annotated[UUID, "the list", Names(KIND, right="operate")]
    name: Annotated[str | None, "its new name"] = None
    description: Annotated[str | None, "what to say of it"] = None
    for_display: ForDisplay = None

    async def run(self, caller: Caller) -> Job:
        fields = records.given(self, "description", is_displayed="for_display")
        fields |= {"name": self.name} if self.name else {}
        return await records.update(caller, KIND, self.id, fields)


@command(
    "deleteNetworkACLList",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="NETWORK.ACL.DELETE",
)
class DeleteNetworkAclList:
    """Delete an access list that nothing uses, with its lines."""

    id: Annotated[UUID, "the list", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await records.remove(caller, KIND, self.id)


@command(
    "replaceNetworkACLList",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="NETWORK.ACL.REPLACE",
)
class ReplaceNetworkAclList:
    """Let another access list say what passes to and from a tier or a private gateway."""

    acl_id: Annotated[UUID, "the list", Names(KIND)]
    network_id: Annotated[UUID | None, "the tier", Names("network", right="operate")] = None
    gateway_id: Annotated[
        UUID | None, "the private gateway", Names("private_gateway", right="operate")
    ] = None

    async def run(self, caller: Caller) -> Job:
        if (self.network_id is None) == (self.gateway_id is None):
            raise ParamError("name a tier by networkid or a private gateway by gatewayid")
        if self.gateway_id is not None:
            fields = {"network_acl_id": self.acl_id}
            return await records.update(caller, "private_gateway", self.gateway_id, fields)
        assert self.network_id is not None
        ask = ReplaceNetworkAcl(network_id=self.network_id, network_acl_id=self.acl_id)
        return await records.as_job(caller, ask, "network", self.network_id)


@list_command(
    "listNetworkACLLists",
    view=NetworkAclView,
    table=network_acls,
    key="networkacllist",
    keyword=("name", "description"),
    scope="custom",
)
class ListNetworkAclLists(Displayed):
    """List access lists; the built-in ones are everybody's."""

    vpc_id: Annotated[
        UUID | None, "those that this VPC can use", Names("vpc", right="see"), Filter()
    ] = None
    network_id: Annotated[
        UUID | None, "the one that this tier uses", Names("network", right="see"), Filter()
    ] = None
    for_display: Annotated[
        bool | None, "shown to their owners, or not", Roles("Admin"), Filter("is_displayed")
    ] = None

    def rows(self, caller: Caller) -> Iterable[NetworkAcl]:
        return reached(self, caller, caller.cloud[network_acls])

    def matches(self, row: NetworkAcl, caller: Caller) -> bool:
        tier = caller.cloud[networks].get(self.network_id)
        if tier is not None and row.id != tier.network_acl_id:
            return False
        return self.vpc_id is None or row.vpc_id in (None, self.vpc_id)


def reached(ask: Any, caller: Caller, rows: Iterable[Any]) -> list[Any]:
    """Rows within the usual scope, and those that belong to nobody."""
    reach = reach_of(ask, caller)
    return [row for row in rows if row.account_id is None or reach.holds(row)]
