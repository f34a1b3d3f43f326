"""Health checks: how a load balancer finds out which guests can take connections."""

from __future__ import annotations

import re
from typing import Annotated, Any
from uuid import UUID

from api import records
from api.commands.custom_id import KeepsId
from api.declare import Bound, Caller, Job, Names, Page, Roles, Success, command
from api.errors import InvalidValue, ParamError
from api.lists import cut
from api.views.load_balancer_rule import HealthCheckView
from projections.health_check_policy import health_check_policies
from projections.load_balancer_rule import load_balancer_rules

KIND, RULE = "health_check_policy", "load_balancer_rule"
# A path and a query as RFC 3986 has them.
PATH = re.compile(r"/[A-Za-z0-9/._~!$&'()*+,;=:@%?-]*")


@command(
    "createLBHealthCheckPolicy",
    returns=HealthCheckView,
    key="healthcheckpolicies",
    allow="ARDU",
    is_async=True,
    creates=True,
    action="LB.HEALTHCHECKPOLICY.CREATE",
)
class CreateHealthCheckPolicy:
    """Look after the guests of a load balancer."""

    lb_rule_id: Annotated[UUID, "the load balancer rule", Names(RULE, right="operate")]
    ping_path: Annotated[str | None, "the path to ask for; / if omitted"] = None
    description: Annotated[str | None, "what to say of it"] = None
    response_timeout: Annotated[int | None, "seconds to answer in", Bound(2, 60)] = None
    interval_time: Annotated[int | None, "seconds between two checks", Bound(5, 1800)] = None
    healthy_threshold: Annotated[int | None, "successes that heal", Bound(2, 10)] = None
    unhealthy_threshold: Annotated[int | None, "failures that condemn", Bound(2, 10)] = None
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    async def run(self, caller: Caller) -> Job:
        rule = caller.cloud[load_balancer_rules][self.lb_rule_id]
        path = self.ping_path or "/"
        if PATH.fullmatch(path) is None:
            raise InvalidValue(f"pingpath {path!r} is no path such as /health")
        fields: dict[str, Any] = {
            "load_balancer_rule_id": rule.id,
            "account_id": rule.account_id,
            "domain_id": rule.domain_id,
            "ping_path": path,
            "description": self.description or "",
            "is_displayed": self.for_display is not False,
        }
        fields |= records.given(
            self,
            "healthy_threshold",
            "unhealthy_threshold",
            timeout_s="response_timeout",
            interval_s="interval_time",
        )
        if fields.get("timeout_s", 2) >= fields.get("interval_s", 5):
            raise InvalidValue("responsetimeout must be shorter than intervaltime")
        return await records.create(caller, KIND, fields)


@command(
    "updateLBHealthCheckPolicy",
    returns=HealthCheckView,
    key="healthcheckpolicies",
    allow="ARDU",
    is_async=True,
    action="LB.HEALTHCHECKPOLICY.UPDATE",
)
class UpdateHealthCheckPolicy(KeepsId):
    """Show a health check to its owner, or hide it."""

    id: Annotated[UUID, "the policy", Names(KIND, right="operate")]
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    async def run(self, caller: Caller) -> Job:
        fields = records.given(self, is_displayed="for_display")
        return await records.update(caller, KIND, self.id, fields)


@command(
    "deleteLBHealthCheckPolicy",
    returns=Success,
    allow="ARDU",
    is_async=True,
    action="LB.HEALTHCHECKPOLICY.DELETE",
)
class DeleteHealthCheckPolicy:
    """Look after the guests of a load balancer no more."""

    id: Annotated[UUID, "the policy", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await records.remove(caller, KIND, self.id)


@command(
    "listLBHealthCheckPolicies",
    returns=HealthCheckView,
    key="healthcheckpolicies",
    shape="list",
    allow="ARDU",
)
class ListHealthCheckPolicies:
    """List the health checks of one load balancer rule."""

    lb_rule_id: Annotated[UUID | None, "of this rule", Names(RULE, right="see")] = None
    id: Annotated[UUID | None, "or the one with this id", Names(KIND, right="see")] = None
    for_display: Annotated[bool | None, "shown to its owner, or not", Roles("Admin")] = None
    keyword: Annotated[str | None, "text that its path contains"] = None
    page: Annotated[int | None, "which page, from 1; needs pagesize", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page, at most 500; -1 for no limit", Bound(-1)] = None

    async def run(self, caller: Caller) -> Page:
        if self.id is None:
            if self.lb_rule_id is None:
                raise ParamError("lbruleid or id is needed: say whose health checks are meant")
            rows: list[Any] = [caller.cloud[load_balancer_rules][self.lb_rule_id]]
        else:
            row = caller.cloud[health_check_policies][self.id]
            fits = self.lb_rule_id in (None, row.load_balancer_rule_id)
            rows = [row] if fits and (self.keyword or "") in row.ping_path else []
        rows = [one for one in rows if self.for_display in (None, one.is_displayed)]
        return Page(len(rows), cut(rows, self.page, self.page_size, caller))
