"""Load balancer rules, their stickiness and their health checks, as the wire shows them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.authz import noun
from api.declare import Cloud, Roles, View, view
from api.views.ip_rule import comma
from api.views.owner import OwnedView, owner
from api.views.tag import TagView, tags_of
from projections.health_check_policy import HealthCheckPolicy, health_check_policies
from projections.load_balancer_rule import LoadBalancerRule
from projections.public_ip_address import public_ip_addresses
from projections.stickiness_policy import StickinessPolicy, stickiness_policies
from projections.zone import zones

for _kind in ("load_balancer_rule", "stickiness_policy", "health_check_policy"):
    noun(_kind, "owned")


@view
class LoadBalancerRuleView(OwnedView, kw_only=True):
    """A load balancer rule. Ports are text, as clients expect."""

    id: Annotated[UUID, "the rule"]
    name: Annotated[str, "its name"]
    description: Annotated[str | None, "what its owner says of it"] = None
    public_ip_id: Annotated[UUID, "the public address"]
    public_ip: Annotated[str | None, "as people write it"] = None
    public_port: Annotated[str, "the public port"]
    private_port: Annotated[str, "the port of its guests"]
    algorithm: Annotated[str, "roundrobin, leastconn or source"]
    protocol: Annotated[str, "tcp, udp, tcp-proxy or ssl"]
    cidr_list: Annotated[str, "who may come, with commas; empty for everybody"]
    network_id: Annotated[UUID, "the network of its guests"]
    state: Annotated[str, "Active with guests, Add without"]
    zone_id: Annotated[UUID, "the zone"]
    zone_name: Annotated[str | None, "its name"] = None
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None
    tags: Annotated[list[TagView], "its tags"]

    @classmethod
    def of(cls, row: LoadBalancerRule, cloud: Cloud) -> LoadBalancerRuleView:
        zone, address = cloud[zones].get(row.zone_id), cloud[public_ip_addresses]
        public = address.get(row.ip_address_id)
        return cls(
            id=row.id,
            name=row.name,
            description=row.description or None,
            public_ip_id=row.ip_address_id,
            public_ip=None if public is None else public.address,
            public_port=str(row.start_port),
            private_port=str(row.private_port),
            algorithm=row.algorithm,
            protocol=row.protocol,
            cidr_list=comma(row.cidrs),
            network_id=row.network_id,
            state=row.state if row.members else "Add",
            zone_id=row.zone_id,
            zone_name=None if zone is None else zone.name,
            for_display=row.is_displayed,
            tags=tags_of(row.id, cloud),
            **owner(row, cloud),
        )


@view
class StickinessPolicyView(View, kw_only=True):
    """How clients are kept with their guest."""

    id: Annotated[UUID, "the policy"]
    name: Annotated[str, "its name"]
    method_name: Annotated[str, "LbCookie, AppCookie or SourceBased"]
    description: Annotated[str | None, "what its owner says of it"] = None
    params: Annotated[dict[str, str], "the parameters of that method"]
    state: Annotated[str, "Active"]
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    @classmethod
    def of(cls, row: StickinessPolicy, cloud: Cloud) -> StickinessPolicyView:
        return cls(
            id=row.id,
            name=row.name,
            method_name=row.method,
            description=row.description or None,
            params=dict(row.params),
            state=row.state,
            for_display=row.is_displayed,
        )


def _rule(row: Any, cloud: Cloud) -> dict[str, Any]:
    """The rule that a policy is of, and whose it is."""
    rule_id = row.id if isinstance(row, LoadBalancerRule) else row.load_balancer_rule_id
    rule = cloud.table("load_balancer_rule").get(rule_id)
    zone_id = None if rule is None else rule.zone_id
    return {"lb_rule_id": rule_id, "zone_id": zone_id} | owner(row, cloud)


@view
class StickinessView(OwnedView, kw_only=True):
    """The stickiness of a load balancer rule."""

    lb_rule_id: Annotated[UUID, "the rule"]
    zone_id: Annotated[UUID | None, "its zone"] = None
    name: Annotated[str | None, "the name of its policy"] = None
    description: Annotated[str | None, "what its owner says of the policy"] = None
    state: Annotated[str | None, "Active"] = None
    stickiness_policy: Annotated[list[StickinessPolicyView], "its policies: one at most"]

    @classmethod
    def of(cls, row: StickinessPolicy | LoadBalancerRule, cloud: Cloud) -> StickinessView:
        """Of a policy, or of a rule, which may have none."""
        if isinstance(row, StickinessPolicy):
            found = [row]
        else:
            found = list(cloud[stickiness_policies].by("load_balancer_rule_id", row.id))
        one = found[0] if found else None
        return cls(
            name=None if one is None else one.name,
            description=None if one is None else one.description or None,
            state=None if one is None else one.state,
            stickiness_policy=[StickinessPolicyView.of(each, cloud) for each in found],
            **_rule(row, cloud),
        )


@view
class HealthCheckPolicyView(View, kw_only=True):
    """How guests are looked after."""

    id: Annotated[UUID, "the policy"]
    ping_path: Annotated[str, "the path that is asked for"]
    description: Annotated[str | None, "what its owner says of it"] = None
    state: Annotated[str, "Active"]
    response_time: Annotated[int, "seconds to answer in"]
    health_check_interval: Annotated[int, "seconds between two checks"]
    health_check_thresshold: Annotated[int, "successes that make a guest healthy"]
    unhealth_check_thresshold: Annotated[int, "failures that make a guest unhealthy"]
    for_display: Annotated[bool | None, "whether its owner sees it", Roles("Admin")] = None

    @classmethod
    def of(cls, row: HealthCheckPolicy, cloud: Cloud) -> HealthCheckPolicyView:
        return cls(
            id=row.id,
            ping_path=row.ping_path,
            description=row.description or None,
            state=row.state,
            response_time=row.timeout_s,
            health_check_interval=row.interval_s,
            health_check_thresshold=row.healthy_threshold,
            unhealth_check_thresshold=row.unhealthy_threshold,
            for_display=row.is_displayed,
        )


@view
class HealthCheckView(OwnedView, kw_only=True):
    """The health checks of a load balancer rule."""

    lb_rule_id: Annotated[UUID, "the rule"]
    zone_id: Annotated[UUID | None, "its zone"] = None
    health_check_policy: Annotated[list[HealthCheckPolicyView], "its policies: one at most"]

    @classmethod
    def of(cls, row: HealthCheckPolicy | LoadBalancerRule, cloud: Cloud) -> HealthCheckView:
        """Of a policy, or of a rule, which may have none."""
        if isinstance(row, HealthCheckPolicy):
            found = [row]
        else:
            found = list(cloud[health_check_policies].by("load_balancer_rule_id", row.id))
        policies = [HealthCheckPolicyView.of(one, cloud) for one in found]
        return cls(health_check_policy=policies, **_rule(row, cloud))
