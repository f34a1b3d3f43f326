"""An account as the wire shows it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Cloud, Date, date, view
from api.views.owner import wire_path
from api.views.resource_icon import ResourceIconView
from api.views.resource_limit import ProjectLimitedView, limits_of
from api.views.user import ACCOUNT_TYPES, UserView
from projections.account import Account
from projections.domain import domains
from projections.role import roles
from projections.user import users
from projections.vm import vms


@view
class AccountView(ProjectLimitedView, kw_only=True):
    """Who owns things, with the users that act for it."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    account_type: Annotated[int | None, "0 user, 1 root, 2 domain, 3 resource admin"] = None
    role_id: Annotated[UUID, "what it may do"]
    role_type: Annotated[str, "the type of that role"]
    role_name: Annotated[str | None, "the name of that role"] = None
    domain_id: Annotated[UUID, "the domain that it is in"]
    domain: Annotated[str | None, "the name of that domain"] = None
    domain_path: Annotated[str | None, "where that domain stands in the tree"] = None
    default_zone_id: Annotated[UUID | None, "the zone that its guests are meant for"] = None
    state: Annotated[str, "enabled, disabled or locked"]
    created: Annotated[Date, "when it was made"]
    network_domain: Annotated[str | None, "the DNS suffix of its networks"] = None
    account_details: Annotated[dict[str, str], "its settings"]
    api_key_access: Annotated[str, "Enabled, Disabled or Inherit: whether its users sign with keys"]
    is_default: Annotated[bool, "whether it came with the cloud"]
    is_cleanup_required: Annotated[bool, "whether it is being deleted, and has not gone yet"]
    groups: Annotated[list[str], "always empty: accounts are in no groups here"]
    user: Annotated[list[UserView], "who acts for it"]
    vm_running: Annotated[int, "guests that run"]
    vm_stopped: Annotated[int, "guests that are stopped"]
    icon: Annotated[ResourceIconView | None, "its icon, if it is asked for"] = None

    @classmethod
    def of(cls, row: Account, cloud: Cloud) -> AccountView:
        domain, role = cloud[domains].get(row.domain_id), cloud[roles].get(row.role_id)
        people = cloud[users].by("account_id", row.id)
        return cls(
            id=row.id,
            name=row.name,
            account_type=ACCOUNT_TYPES.get(row.role_type),
            role_id=row.role_id,
            role_type=row.role_type,
            role_name=role.name if role else None,
            domain_id=row.domain_id,
            domain=domain.name if domain else None,
            domain_path=wire_path(domain.path) if domain else None,
            default_zone_id=row.default_zone_id,
            state=row.state,
            created=date(row.created_at_ms),
            network_domain=row.network_domain or None,
            account_details=row.details,
            is_default=row.name in ("admin", "system") and domain is not None and not domain.level,
            api_key_access=row.api_key_access.title(),
            is_cleanup_required=row.ending is not None,
            groups=[],
            user=[UserView.of(one, cloud) for one in people],
            vm_running=guests_in(cloud, row.id, "Running"),
            vm_stopped=guests_in(cloud, row.id, "Stopped"),
            **limits_of(row.id, cloud),
        )


def guests_in(cloud: Cloud, account_id: UUID, state: str) -> int:
    """How many guests of an account are in a state."""
    return len(cloud[vms].both("account_id", account_id, "state", lambda one: one == state))
