"""Stickiness: how a load balancer keeps a client with the guest that it had before."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api import records
from api.commands.custom_id import KeepsId
from api.commands.stickiness_checks import checked
from api.declare import Bound, Caller, Job, Names, Page, Roles, Success, command, entry
from api.errors import ParamError
from api.lists import cut
from api.views.load_balancer_rule import StickinessView
from projections.load_balancer_rule import load_balancer_rules
from projections.stickiness_policy import stickiness_policies

KIND, RULE = "stickiness_policy", "load_balancer_rule"


@entry
class MethodParam:
    """A parameter of the method, such as `cookie-name`."""

    name: Annotated[str, "its name"]
    value: Annotated[str | None, "its value; empty for a flag that is set"] = None


@command(
    "createLBStickinessPolicy",
    returns=StickinessView,
    key="stickinesspolicies",
    allow="ARDU",
    is_async=True,
    creates=True,
    envelope="createLBStickinessPolicy",
    action="LB.STICKINESSPOLICY.CREATE",
)
class CreateStickinessPolicy:
    """Keep the clients of a load balancer with their guest."""

    lb_rule_id: Annotated[UUID, "the load balancer rule", Names(RULE, right="operate")]
    name: Annotated[str, "its name"]
    method_name: Annotated[str, "LbCookie, AppCookie or SourceBased"]
    description: Annotated[str | None, "what to say of it"] = None
    param: Annotated[tuple[MethodParam, ...] | None, "parameters of the method"] = None
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    async def run(self, caller: Caller) -> Job:
        rule = caller.cloud[load_balancer_rules][self.lb_rule_id]
        method, params = checked(
            self.method_name, {one.name: one.value or "" for one in self.param or ()}, rule.protocol
        )
        fields = {
            "name": self.name,
            "load_balancer_rule_id": rule.id,
            "account_id": rule.account_id,
            "domain_id": rule.domain_id,
            "method": method,
            "description": self.description or "",
            "params": params,
            "is_displayed": self.for_display is not False,
        }
        return await records.create(caller, KIND, fields)


@command(
    "updateLBStickinessPolicy",
    returns=StickinessView,
    key="stickinesspolicies",
    allow="ARDU",
    is_async=True,
    action="LB.STICKINESSPOLICY.UPDATE",
)
class UpdateStickinessPolicy(KeepsId):
    """Show a stickiness policy to its owner, or hide it."""

    id: Annotated[UUID, "the policy", Names(KIND, right="operate")]
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    async def run(self, caller: Caller) -> Job:
        fields = records.given(self, is_displayed="for_display")
        return await records.update(caller, KIND, self.id, fields)


@command(
    "deleteLBStickinessPolicy",
    returns=Success,
    allow="ARDU",
    is_async=True,
    envelope="deleteLBstickinessrruleresponse",
    action="LB.STICKINESSPOLICY.DELETE",
)
class DeleteStickinessPolicy:
    """Let a load balancer spread every connection anew."""

    id: Annotated[UUID, "the policy", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await records.remove(caller, KIND, self.id)


@command(
    "listLBStickinessPolicies",
    returns=StickinessView,
    key="stickinesspolicies",
    shape="list",
    allow="ARDU",
)
class ListStickinessPolicies:
    """List the stickiness of one load balancer rule."""

    lb_rule_id: Annotated[UUID | None, "of this rule", Names(RULE, right="see")] = None
    id: Annotated[UUID | None, "or the one with this id", Names(KIND, right="see")] = None
    for_display: Annotated[bool | None, "shown to its owner, or not", Roles("Admin")] = None
    keyword: Annotated[str | None, "text that its name contains"] = None
    page: Annotated[int | None, "which page, from 1; needs pagesize", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page, at most 500; -1 for no limit", Bound(-1)] = None

    async def run(self, caller: Caller) -> Page:
        if self.lb_rule_id is None and self.id is None:
            raise ParamError("lbruleid or id is needed: say whose stickiness is meant")
        rows = [row for row in self._rows(caller) if (self.keyword or "") in row.name]
        return Page(len(rows), cut(rows, self.page, self.page_size, caller))

    def _rows(self, caller: Caller) -> list[Any]:
        """The policy that was named, or the rule: it is shown with what it has, also nothing."""
        if self.id is not None:
            row = caller.cloud[stickiness_policies][self.id]
            hit = self.lb_rule_id in (None, row.load_balancer_rule_id)
            found: list[Any] = [row] if hit else []
        else:
            found = [caller.cloud[load_balancer_rules][self.lb_rule_id]]  # type: ignore[index]
        return [one for one in found if self.for_display in (None, one.is_displayed)]
