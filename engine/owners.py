"""Who may own something new: an account that is open. Every draft asks this of all it creates.

The account's row is guarded, so that closing an account and making something for it cannot both
happen: whoever is second decides again, and sees what the first one did.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aggregates.base import Aggregate, Event
from aggregates.errors import NotAllowed
from projections.cloud import Cloud

# What takes from the cloud: a disabled account, or a suspended project, gets no more of it.
COSTLY = frozenset((
    "vm", "volume", "snapshot", "vm_snapshot", "template", "iso", "network", "vpc", "project",
    "public_ip_address", "load_balancer_rule", "private_gateway", "vpn_gateway", "vpn_connection",
    "remote_access_vpn",
))  # fmt: skip
# What is written about an account whatever has become of it.
ABOUT = frozenset({"saga"})


def owner_of(cloud: Cloud, first: Event) -> Aggregate | None:
    """The account that shall own what this event begins, to be guarded; refuses a closed one."""
    _domain_is_open(cloud, first)
    account_id: UUID | None = getattr(first, "account_id", None)
    if account_id is None or first.KIND in ABOUT:
        return None
    account: Any = cloud.table("account").get(account_id)
    if account is None:
        return None
    noun = first.KIND.replace("_", " ")
    if account.ending is not None:
        raise NotAllowed(
            f"{_called(cloud, account)} is being deleted by job {account.ending}: "
            f"it gets no {noun} any more"
        )
    if account.state != "enabled" and first.KIND in COSTLY:
        state, remedy = account.state, "enable"
        if account.role_type == "Project":
            state, remedy = "suspended", "activate"
        called = _called(cloud, account)
        raise NotAllowed(f"{called} is {state}: {remedy} it before it gets another {noun}")
    return account  # type: ignore[no-any-return]


def may_run(cloud: Cloud, account_id: UUID) -> None:
    """Refuse to start what a suspended project has. Guests of a disabled account may be restarted:
    disabling locks its people out, and stops nothing."""
    account: Any = cloud.table("account").get(account_id)
    if account is not None and account.role_type == "Project" and account.state != "enabled":
        raise NotAllowed(f"{_called(cloud, account)} is suspended: activate it first")


def _called(cloud: Cloud, account: Any) -> str:
    """An owner as people know it: a project's account by the project."""
    project: Any = cloud.table("project").one("account_id", account.id)
    return f"account {account.name}" if project is None else f"project {project.name}"


def _domain_is_open(cloud: Cloud, first: Event) -> None:
    """Nothing begins in a domain that is being deleted."""
    place = {"account": "domain_id", "domain": "parent_id", "project": "domain_id"}.get(first.KIND)
    domain: Any = cloud.table("domain").get(getattr(first, place)) if place else None
    if domain is not None and domain.state != "Active":
        raise NotAllowed(f"domain {domain.path} is being deleted: choose another one")
