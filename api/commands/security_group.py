"""Security groups: make, rename, delete and list them, and let traffic through them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api import records
from api.commands.custom_id import KeepsId
from api.commands.security_group_use import default_group, named_group
from api.declare import Bound, Caller, Job, Names, Success, Wire, command, entry, part
from api.errors import InvalidValue, ParamError
from api.lists import Filter, list_command
from api.scope import owner_for
from api.views.security_group import SecurityGroupView
from engine.intents.record import CreateRecord, RemoveRecord, UpdateRecord
from engine.intents.security_group import AuthorizeTraffic, rule_id
from projections.security_group import DEFAULT_GROUP, SecurityGroup, security_groups
from projections.vm import vms

KIND, RULE = "security_group", "security_group_rule"


@part
class OwnerAsked:
    """Whose a group is, as every command here asks it."""

    account: Annotated[str | None, "the account that owns the group"] = None
    domain_id: Annotated[UUID | None, "that account's domain", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project that owns the group", Names("project")] = None

    def owner(self, caller: Caller) -> tuple[UUID, UUID]:
        """Account and domain."""
        return owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )


@command(
    "createSecurityGroup",
    returns=SecurityGroupView,
    key="securitygroup",
    allow="ARDU",
    action="SG.CREATE",
)
class CreateSecurityGroup(OwnerAsked):
    """Make a security group. It lets nothing in until a rule is added."""

    name: Annotated[str, "its name"]
    description: Annotated[str | None, "what to say of it"] = None

    async def run(self, caller: Caller) -> SecurityGroup:
        account_id, domain_id = self.owner(caller)
        if self.name == DEFAULT_GROUP:
            # It would be there already, had it been needed before.
            await default_group(caller, account_id, domain_id)
        fields = {
            "name": self.name,
            "description": self.description or "",
            "account_id": account_id,
            "domain_id": domain_id,
        }
        row_id = caller.new_id()
        await caller.decide(CreateRecord(kind=KIND, id=row_id, fields=fields))
        return caller.cloud[security_groups][row_id]


@command(
    "updateSecurityGroup",
    returns=SecurityGroupView,
    key="securitygroup",
    allow="A",
    action="SG.UPDATE",
)
class UpdateSecurityGroup(KeepsId):
    """Rename a security group."""

    id: Annotated[UUID, "the group", Names(KIND, right="operate")]
    name: Annotated[str | None, "its new name"] = None

    async def run(self, caller: Caller) -> SecurityGroup:
        fields = {"name": self.name} if self.name else {}
        await caller.decide(UpdateRecord(kind=KIND, id=self.id, fields=fields))
        return caller.cloud[security_groups][self.id]


@command("deleteSecurityGroup", returns=Success, allow="ARDU", action="SG.DELETE")
class DeleteSecurityGroup(OwnerAsked):
    """Delete a security group that no guest is in and no other group speaks of."""

    id: Annotated[UUID | None, "the group", Names(KIND, right="operate")] = None
    name: Annotated[str | None, "the group of this name, instead of its id"] = None

    async def run(self, caller: Caller) -> None:
        row_id = await _one_of(self, caller, self.id, self.name)
        await caller.decide(RemoveRecord(kind=KIND, id=row_id))


@list_command(
    "listSecurityGroups", view=SecurityGroupView, table=security_groups, key="securitygroup"
)
class ListSecurityGroups:
    """List security groups with their rules."""

    security_group_name: Annotated[str | None, "the group of this name", Filter("name")] = None
    virtual_machine_id: Annotated[
        UUID | None, "those that this guest is in", Names("vm", right="see"), Filter()
    ] = None

    def matches(self, row: SecurityGroup, caller: Caller) -> bool:
        vm = caller.cloud[vms].get(self.virtual_machine_id)
        return vm is None or row.id in vm.security_group_ids


@entry
class PeerGroup:
    """A group whose guests a rule is about."""

    account: Annotated[str, "the account that owns it"]
    group: Annotated[str, "its name"]


@part
class TrafficAsked(OwnerAsked):
    """Which traffic shall pass."""

    security_group_id: Annotated[UUID | None, "the group", Names(KIND, right="operate")] = None
    security_group_name: Annotated[str | None, "the group of this name, instead"] = None
    protocol: Annotated[str | None, "tcp, udp, icmp, all or a number; all if omitted"] = None
    start_port: Annotated[int | None, "the first port", Bound(1, 65535)] = None
    end_port: Annotated[int | None, "the last port; the first if omitted", Bound(1, 65535)] = None
    icmp_type: Annotated[int | None, "the type of message; -1 for all", Bound(-1, 255)] = None
    icmp_code: Annotated[int | None, "the code of message; -1 for all", Bound(-1, 255)] = None
    cidr_list: Annotated[tuple[str, ...] | None, "subnets, with commas"] = None
    user_security_group_list: Annotated[
        tuple[PeerGroup, ...] | None, "groups whose guests are meant", Wire(type="map")
    ] = None

    async def authorize(self, caller: Caller, *, is_egress: bool) -> Job:
        """Add a rule for each subnet and group."""
        group_id = await _one_of(self, caller, self.security_group_id, self.security_group_name)
        names = ("start_port", "end_port", "icmp_type", "icmp_code")
        fields = records.given(self, *names)
        fields |= {"is_egress": is_egress, "protocol": self.protocol or "all"}
        batch = caller.new_id()
        ask = AuthorizeTraffic(
            security_group_id=group_id,
            batch=batch,
            fields=fields,
            cidrs=list(self.cidr_list or ()),
            peer_group_ids=self._peers(caller, group_id),
        )
        return await records.as_job(caller, ask, RULE, rule_id(batch, 0))

    def _peers(self, caller: Caller, group_id: UUID) -> list[UUID]:
        """Groups named by account and name, each in the domain of the group that gets the rule."""
        domain_id = caller.cloud[security_groups][group_id].domain_id
        found = []
        for one in self.user_security_group_list or ():
            same = caller.cloud.table("account").by_text("name", one.account)
            account = next((row for row in same if row.domain_id == domain_id), None)
            peer = None if account is None else named_group(caller.cloud, account.id, one.group)
            if peer is None:
                raise InvalidValue(
                    f"usersecuritygrouplist: there is no security group {one.group} of account "
                    f"{one.account} in this domain: check both"
                )
            found.append(peer.id)
        return found


@command(
    "authorizeSecurityGroupIngress",
    returns=SecurityGroupView,
    key="securitygroup",
    allow="ARDU",
    is_async=True,
    action="SG.AUTH.INGRESS",
)
class AuthorizeIngress(TrafficAsked):
    """Let traffic reach the guests of a group; the answer shows the rules that were added."""

    async def run(self, caller: Caller) -> Job:
        return await self.authorize(caller, is_egress=False)


@command(
    "authorizeSecurityGroupEgress",
    returns=SecurityGroupView,
    key="securitygroup",
    allow="ARDU",
    is_async=True,
    action="SG.AUTH.EGRESS",
)
class AuthorizeEgress(TrafficAsked):
    """Let the guests of a group reach out; the answer shows the rules that were added."""

    async def run(self, caller: Caller) -> Job:
        return await self.authorize(caller, is_egress=True)


@part
class RuleAsked:
    """A rule to take away."""

    id: Annotated[UUID, "the rule", Names(RULE, right="operate")]

    async def revoke(self, caller: Caller, *, is_egress: bool) -> Job:
        """Take it away, if it goes this way."""
        if caller.cloud.table(RULE)[self.id].is_egress is not is_egress:
            way = "Ingress" if is_egress else "Egress"
            raise InvalidValue(f"rule {self.id} goes the other way: use revokeSecurityGroup{way}")
        return await records.remove(caller, RULE, self.id)


@command(
    "revokeSecurityGroupIngress",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="SG.REVOKE.INGRESS",
)
class RevokeIngress(RuleAsked):
    """Take away a rule about what may reach the guests of a group."""

    async def run(self, caller: Caller) -> Job:
        return await self.revoke(caller, is_egress=False)


@command(
    "revokeSecurityGroupEgress",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="SG.REVOKE.EGRESS",
)
class RevokeEgress(RuleAsked):
    """Take away a rule about what the guests of a group may reach."""

    async def run(self, caller: Caller) -> Job:
        return await self.revoke(caller, is_egress=True)


async def _one_of(ask: Any, caller: Caller, row_id: UUID | None, name: str | None) -> UUID:
    """The group that was named by its id, or by its name among those of the owner."""
    if (row_id is None) == (not name):
        raise ParamError("name the security group by its id or by its name: one of the two")
    if row_id is not None:
        return row_id
    account_id, domain_id = ask.owner(caller)
    if name == DEFAULT_GROUP:
        return await default_group(caller, account_id, domain_id)
    found = named_group(caller.cloud, account_id, name or "")
    if found is None:
        raise InvalidValue(f"Unable to find security group {name} of this account: check its name")
    return found.id
