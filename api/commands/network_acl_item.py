"""The lines of access lists: add, change, move, delete and list them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar
from uuid import UUID

from api import records
from api.commands.custom_id import KeepsId
from api.commands.network_acl import ForDisplay, reached
from api.declare import Bound, Caller, Job, Names, OneOf, Roles, Success, command
from api.errors import InvalidValue, ParamError
from api.lists import Displayed, Filter, list_command
from api.views.network_acl import NetworkAclItemView
from engine.intents.record import CreateRecord, Together
from engine.intents.vpc import MoveAclItem, OwnNetworkAcl
from projections.network import networks
from projections.network_acl import NetworkAclItem, network_acl_items, network_acls

KIND = "network_acl_item"
ACTIONS, WAYS = OneOf("Allow", "Deny"), OneOf("Ingress", "Egress")
Cidrs = Annotated[tuple[str, ...] | None, "subnets, with commas; all if omitted"]
Number = Annotated[int | None, "its place; behind all others if omitted", Bound(1, 65535)]
Action = Annotated[str | None, "Allow or Deny", ACTIONS]
Way = Annotated[str | None, "Ingress or Egress, as seen from the tier", WAYS]
StartPort = Annotated[int | None, "the first port; all if omitted", Bound(1, 65535)]
EndPort = Annotated[int | None, "the last port; the first if omitted", Bound(1, 65535)]
IcmpType = Annotated[int | None, "the type of message; -1 for all", Bound(-1, 255)]
IcmpCode = Annotated[int | None, "the code of message; -1 for all", Bound(-1, 255)]
Reason = Annotated[str | None, "why it is there"]
WHAT = ("start_port", "end_port", "icmp_type", "icmp_code")


def said(ask: Any) -> dict[str, Any]:
    """The fields of a line for those parameters that were sent."""
    sent = records.given(
        ask, *WHAT, "protocol", "action", "traffic_type", "number", "reason",
        cidrs="cidr_list", is_displayed="for_display",
    )  # fmt: skip
    if "cidrs" in sent:
        sent["cidrs"] = list(sent["cidrs"])
    return {name: value for name, value in sent.items() if value != "" or name == "reason"}


@command(
    "createNetworkACL",
    returns=NetworkAclItemView,
    key="networkacl",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="NETWORK.ACL.ITEM.CREATE",
)
class CreateNetworkAcl:
    """Add a line to an access list, or to the list of a tier."""

    protocol: Annotated[str, "tcp, udp, icmp, all, or a protocol's number"]
    acl_id: Annotated[UUID | None, "the list", Names("network_acl", right="operate")] = None
    network_id: Annotated[
        UUID | None, "the tier whose list is meant", Names("network", right="operate")
    ] = None
    number: Number = None
    action: Action = None
    traffic_type: Way = None
    cidr_list: Cidrs = None
    start_port: StartPort = None
    end_port: EndPort = None
    icmp_type: IcmpType = None
    icmp_code: IcmpCode = None
    reason: Reason = None
    for_display: ForDisplay = None

    async def run(self, caller: Caller) -> Job:
        if self.acl_id is not None:
            return await self._add(caller, self.acl_id, caller.cloud[network_acls][self.acl_id])
        tier = caller.cloud[networks].get(self.network_id)
        if tier is None:
            raise ParamError("name the list by aclid, or a tier by networkid")
        if tier.vpc_id is None:
            raise InvalidValue(f"network {tier.name} is no tier of a VPC: it has no access list")
        acl = caller.cloud[network_acls].get(tier.network_acl_id)
        if acl is not None and acl.vpc_id is not None:
            return await self._add(caller, acl.id, acl)
        # A built-in list stays as it is, so the tier gets one of its own.
        own = OwnNetworkAcl(
            network_id=tier.id, network_acl_id=caller.new_id(), name=f"acl-{str(tier.id)[:8]}"
        )
        return await self._add(caller, own.network_acl_id, tier, own)

    async def _add(
        self, caller: Caller, acl_id: UUID, whose: Any, first: OwnNetworkAcl | None = None
    ) -> Job:
        row_id = caller.new_id()
        fields = said(self) | {
            "network_acl_id": acl_id,
            "account_id": whose.account_id,
            "domain_id": whose.domain_id,
        }
        made = CreateRecord(kind=KIND, id=row_id, fields={"cidrs": []} | fields)
        ask: Any = made if first is None else Together(asks=(first, made))
        return await records.as_job(caller, ask, KIND, row_id)


@command(
    "updateNetworkACLItem",
    returns=NetworkAclItemView,
    key="networkacl",
    envelope="createnetworkaclresponse",
    allow="ARDU",
    is_async=True,
    action="NETWORK.ACL.ITEM.UPDATE",
)
class UpdateNetworkAclItem(KeepsId):
    """Change a line of an access list: what is named, or with partialupgrade=false all of it."""

    id: Annotated[UUID, "the line", Names(KIND, right="operate")]
    protocol: Annotated[str | None, "tcp, udp, icmp, all, or a protocol's number"] = None
    number: Number = None
    action: Action = None
    traffic_type: Way = None
    cidr_list: Cidrs = None
    start_port: StartPort = None
    end_port: EndPort = None
    icmp_type: IcmpType = None
    icmp_code: IcmpCode = None
    reason: Reason = None
    for_display: ForDisplay = None
    partial_upgrade: Annotated[bool | None, "false resets what is not named"] = None

    async def run(self, caller: Caller) -> Job:
        fields = said(self)
        row = caller.cloud[network_acl_items][self.id]
        if self.partial_upgrade is False:
            usual = {"protocol": "all", "cidrs": [], "action": "Allow", "traffic_type": "Ingress"}
            fields = usual | {"reason": ""} | dict.fromkeys(WHAT) | fields
        elif self.protocol and self.protocol.lower() != row.protocol:
            # Ports mean nothing to ICMP, nor its types to TCP.
            fields = dict.fromkeys(WHAT) | fields
        return await records.update(caller, KIND, self.id, fields)


@command(
    "moveNetworkAclItem",
    returns=NetworkAclItemView,
    key="networkacl",
    envelope="moveNetworkAclItemResponse",
    allow="ARDU",
    is_async=True,
    action="NETWORK.ACL.ITEM.MOVE",
)
class MoveNetworkAclItem(KeepsId):
    """Move a line of an access list behind one other line, or before one."""

    id: Annotated[UUID, "the line", Names(KIND, right="operate")]
    previous_acl_rule_id: Annotated[
        UUID | None, "the line that it shall follow", Names(KIND, right="operate")
    ] = None
    next_acl_rule_id: Annotated[
        UUID | None, "the line that shall follow it", Names(KIND, right="operate")
    ] = None
    acl_consistency_hash: Annotated[
        str | None, "the MD5 sum of the ids of the list's lines in order: refused if it differs"
    ] = None

    async def run(self, caller: Caller) -> Job:
        ask = MoveAclItem(
            id=self.id,
            behind=self.previous_acl_rule_id,
            before=self.next_acl_rule_id,
            seen=self.acl_consistency_hash or "",
        )
        return await records.as_job(caller, ask, KIND, self.id)


@command(
    "deleteNetworkACL",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="NETWORK.ACL.ITEM.DELETE",
)
class DeleteNetworkAcl:
    """Take a line out of an access list."""

    id: Annotated[UUID, "the line", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await records.remove(caller, KIND, self.id)


@list_command(
    "listNetworkACLs",
    view=NetworkAclItemView,
    table=network_acl_items,
    key="networkacl",
    keyword=("protocol", "reason"),
    scope="custom",
)
class ListNetworkAcls(Displayed):
    """List the lines of access lists in their order."""

    ORDER: ClassVar[str] = "number"

    acl_id: Annotated[
        UUID | None,
        "those of this list",
        Names("network_acl", right="see"),
        Filter("network_acl_id"),
    ] = None
    network_id: Annotated[
        UUID | None, "those of this tier's list", Names("network", right="see"), Filter()
    ] = None
    action: Annotated[str | None, "Allow or Deny"] = None
    traffic_type: Annotated[str | None, "Ingress or Egress"] = None
    protocol: Annotated[str | None, "tcp, udp, icmp, all, or a number"] = None
    for_display: Annotated[
        bool | None, "shown to their owners, or not", Roles("Admin"), Filter("is_displayed")
    ] = None

    def rows(self, caller: Caller) -> Iterable[NetworkAclItem]:
        return reached(self, caller, caller.cloud[network_acl_items])

    def matches(self, row: NetworkAclItem, caller: Caller) -> bool:
        tier = caller.cloud[networks].get(self.network_id)
        return tier is None or row.network_acl_id == tier.network_acl_id
