"""Keep a range of public addresses for an account or a domain, or open it to everybody again."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.commands.vlan_ip_range import account_of
from api.declare import Caller, Names, Success, command
from api.errors import ParamError
from api.views.vlan_ip_range import VlanIpRangeView
from engine.intents.public_range import DedicateRange
from projections.vlan_ip_range import VlanIpRange, vlan_ip_ranges

KIND = "vlan_ip_range"


@command(
    "dedicatePublicIpRange",
    returns=VlanIpRangeView,
    key="vlan",
    allow="A",
    action="VLAN.IP.RANGE.DEDICATE",
)
class DedicatePublicIpRange:
    """Keep a range of public addresses for an account, or for a domain and those below it."""

    id: Annotated[UUID, "the range", Names(KIND, right="operate")]
    domain_id: Annotated[UUID, "the domain, or the account's", Names("domain", right="operate")]
    account: Annotated[str | None, "the account; the whole domain if omitted"] = None
    project_id: Annotated[UUID | None, "a project instead", Names("project")] = None

    async def run(self, caller: Caller) -> VlanIpRange:
        if self.account and self.project_id is not None:
            raise ParamError("account and projectid cannot be given together: leave one out")
        account_id = account_of(caller, self.account, self.domain_id)
        if self.project_id is not None:
            account_id = caller.cloud.table("project")[self.project_id].account_id
        ask = DedicateRange(id=self.id, account_id=account_id, domain_id=self.domain_id)
        await caller.decide(ask)
        return caller.cloud[vlan_ip_ranges][self.id]


@command("releasePublicIpRange", returns=Success, allow="A", action="VLAN.IP.RANGE.RELEASE")
class ReleasePublicIpRange:
    """Let everybody take addresses of a range again."""

    id: Annotated[UUID, "the range", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> None:
        await caller.decide(DedicateRange(id=self.id))
