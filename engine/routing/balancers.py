"""What load balancer rules ask of a router: how connections are spread, who stays with whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from drivers.contract.routing import EVERYWHERE, Balance, Check, Cookie, Proxied
from projections.cloud import Cloud
from projections.health_check_policy import HealthCheckPolicy, health_check_policies
from projections.load_balancer_rule import LoadBalancerRule
from projections.stickiness_policy import StickinessPolicy, stickiness_policies

BY_SOURCE, SET, LEARNT = "SourceBased", "LbCookie", "AppCookie"
# What packets say of a rule's protocol.
CARRIED = {"tcp": "tcp", "udp": "udp", "tcp-proxy": "tcp"}
ON = ("", "true", "yes")
FLAGS = ("indirect", "nocache", "postonly")


@dataclass(slots=True)
class Drawn:
    """A rule as a balancer; None where no router does it. `lacks` are sentences for people."""

    balance: Balance | None = None
    lacks: list[str] = field(default_factory=list)
    parts: set[UUID] = field(default_factory=set)


def drawn(row: LoadBalancerRule, address: str, cloud: Cloud) -> Drawn:
    """The balancer of a rule that has guests, at this public address."""
    found = Drawn()
    if (protocol := CARRIED.get(row.protocol)) is None:
        found.lacks.append(
            f"load balancer rule {row.name} is of protocol {row.protocol}: a router here spreads "
            f"connections of {', '.join(CARRIED)}, and holds no certificate"
        )
        return found
    policies = list(cloud[stickiness_policies].by("load_balancer_rule_id", row.id))
    checks = list(cloud[health_check_policies].by("load_balancer_rule_id", row.id))
    found.parts |= {one.id for one in (*policies, *checks)}
    cookies = [made for one in policies if (made := _cookie(one)) is not None]
    proxied = Proxied(
        to_fewest=row.algorithm == "leastconn",
        tells_caller=row.protocol == "tcp-proxy",
        cookie=cookies[0] if cookies else None,
        check=next((_check(one) for one in checks), None),
    )
    is_plain = proxied == Proxied()
    if protocol == "udp" and not is_plain:
        found.lacks.append(
            f"load balancer rule {row.name} is of udp: its guests take turns, as there are no "
            "connections to count, to look into or to try"
        )
        is_plain = True
    found.lacks += [lack for one in policies if (lack := _lack(row, one))]
    found.balance = Balance(
        address=address,
        protocol=protocol,
        port=row.start_port,
        members=tuple((one.ip, row.private_port) for one in row.members),
        by_source=row.algorithm == "source" or any(one.method == BY_SOURCE for one in policies),
        sources=tuple(row.cidrs) or (EVERYWHERE,),
        proxied=None if is_plain else proxied,
    )
    return found


def _cookie(policy: StickinessPolicy) -> Cookie | None:
    told = policy.params
    is_on = {one: told.get(one, "false") in ON for one in (*FLAGS, "request-learn")}
    if policy.method == SET:
        return Cookie(
            name=told.get("cookie-name") or _usual_name(policy),
            mode=told.get("mode") or "insert",
            words=tuple(one for one in FLAGS if is_on[one]),
            domain=told.get("domain", ""),
        )
    if policy.method == LEARNT:
        return Cookie(
            name=told.get("cookie-name") or _usual_name(policy),
            is_learnt=True,
            from_request=is_on["request-learn"],
            length=int(told.get("length") or 52),
            held=told.get("holdtime") or "3h",
        )
    return None


def _usual_name(policy: StickinessPolicy) -> str:
    return f"SRV{policy.id.hex[:8]}"


def _lack(row: LoadBalancerRule, policy: StickinessPolicy) -> str:
    """Of a cookie that guests set, two wishes are of a haproxy that is long gone."""
    asked = [one for one in ("prefix", "mode") if policy.method == LEARNT and one in policy.params]
    if not asked:
        return ""
    return (
        f"load balancer rule {row.name} sticks by the whole cookie: {', '.join(asked)} of "
        f"{policy.method} say nothing to a router here"
    )


def _check(policy: HealthCheckPolicy) -> Check:
    return Check(
        path=policy.ping_path,
        interval_s=policy.interval_s,
        timeout_s=policy.timeout_s,
        healthy=policy.healthy_threshold,
        unhealthy=policy.unhealthy_threshold,
    )
