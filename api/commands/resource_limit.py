"""Commands about limits: nothing is limited yet, and clients are told so in their own terms."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.caller import Caller
from api.declare import Bound, Names, Page, command, view
from api.scope import owner_for
from api.views.owner import OwnedView, owner
from projections.account import accounts

UNLIMITED = -1
# CloudStack's numbers and names for what can be limited.
TYPES = {
    0: "user_vm",
    1: "public_ip",
    2: "volume",
    3: "snapshot",
    4: "template",
    5: "project",
    6: "network",
    7: "vpc",
    8: "cpu",
    9: "memory",
    10: "primary_storage",
    11: "secondary_storage",
}


@view
class ResourceLimitView(OwnedView, kw_only=True):
    """How much of something an account may have."""

    resource_type: Annotated[str, "the number of the kind"]
    resource_type_name: Annotated[str, "the kind"]
    max: Annotated[int, "how much; -1 is without limit"]


@command(
    "listResourceLimits",
    returns=ResourceLimitView,
    key="resourcelimit",
    shape="list",
    allow="ARDU",
)
class ListResourceLimits:
    """List how much of each kind an account may have."""

    account: Annotated[str | None, "the account; the caller's if not given"] = None
    domain_id: Annotated[UUID | None, "the domain of that account", Names("domain")] = None
    resource_type: Annotated[int | None, "the limit of this kind", Bound(0)] = None
    resource_type_name: Annotated[str | None, "the limit of the kind of this name"] = None

    async def run(self, caller: Caller) -> Page:
        account_id, _ = owner_for(caller, account=self.account, domain_id=self.domain_id)
        row = caller.cloud[accounts].get(account_id)
        if row is None:  # it was not there yet, at the time that the caller asks of
            return Page(0, [])
        whose = owner(row, caller.cloud)
        found = [
            ResourceLimitView(
                resource_type=str(number), resource_type_name=name, max=UNLIMITED, **whose
            )
            for number, name in TYPES.items()
            if self.resource_type in (None, number) and self.resource_type_name in (None, "", name)
        ]
        return Page(len(found), found)
