"""A user as the wire shows it, and the keys that its programs sign with."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Cloud, Date, View, date, view
from api.views.resource_icon import ResourceIconView
from projections.account import accounts
from projections.api_key import main_key
from projections.domain import domains
from projections.role import roles
from projections.setting import is_on
from projections.user import User

# CloudStack's numbers for the types of accounts.
ACCOUNT_TYPES = {"User": 0, "Admin": 1, "DomainAdmin": 2, "ResourceAdmin": 3, "Project": 5}


@view
class UserView(View, kw_only=True):
    """Somebody who may sign in, for an account."""

    id: Annotated[UUID, "its id"]
    username: Annotated[str, "what it signs in with"]
    first_name: Annotated[str, "its first name"]
    last_name: Annotated[str, "its last name"]
    email: Annotated[str, "its mail address"]
    created: Annotated[Date, "when it was made"]
    state: Annotated[str, "enabled, disabled or locked"]
    account: Annotated[str | None, "the account that it acts for"] = None
    account_id: Annotated[UUID, "the id of that account"]
    account_type: Annotated[int | None, "0 user, 1 root, 2 domain, 3 resource admin"] = None
    user_source: Annotated[str, "where its password is kept"]
    role_id: Annotated[UUID | None, "the role of its account"] = None
    role_type: Annotated[str | None, "the type of that role"] = None
    role_name: Annotated[str | None, "the name of that role"] = None
    domain_id: Annotated[UUID, "the domain of its account"]
    domain: Annotated[str | None, "the name of that domain"] = None
    timezone: Annotated[str | None, "its time zone"] = None
    api_key: Annotated[str | None, "the public half of its API key"] = None
    is_default: Annotated[bool, "whether it came with the cloud"]
    is_2fa_enabled: Annotated[bool, "whether it proves itself by a second factor"]
    is_2fa_mandated: Annotated[bool, "whether it must"]
    api_key_access: Annotated[str, "Enabled, Disabled or Inherit: whether it may sign with keys"]
    icon: Annotated[ResourceIconView | None, "its icon, if it is asked for"] = None

    @classmethod
    def of(cls, row: User, cloud: Cloud) -> UserView:
        account, domain = cloud[accounts].get(row.account_id), cloud[domains].get(row.domain_id)
        role = cloud[roles].get(account.role_id) if account else None
        key = main_key(cloud, row.id)
        return cls(
            id=row.id,
            username=row.name,
            first_name=row.first_name,
            last_name=row.last_name,
            email=row.email,
            created=date(row.created_at_ms),
            state=row.state,
            account=account.name if account else None,
            account_id=row.account_id,
            account_type=ACCOUNT_TYPES.get(account.role_type) if account else None,
            user_source=row.source,
            role_id=role.id if role else None,
            role_type=role.role_type if role else None,
            role_name=role.name if role else None,
            domain_id=row.domain_id,
            domain=domain.name if domain else None,
            timezone=row.timezone or None,
            api_key=key.key if key else None,
            is_default=row.name == "admin" and domain is not None and domain.level == 0,
            is_2fa_enabled=row.second_factor_on,
            is_2fa_mandated=row.second_factor_mandated or is_on(cloud, "mandate.user.2fa"),
            api_key_access=row.api_key_access.title(),
        )


@view
class UserKeysView(View, kw_only=True):
    """What a program signs its requests with."""

    api_key: Annotated[str | None, "the public half"] = None
    secret_key: Annotated[str | None, "the half that is never sent again in a request"] = None
