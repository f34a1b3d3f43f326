"""Which owned rows a list reaches: the wire's scoping rules, compiled before any row is read.

A `Reach` is decided from who asks and from listall, account, domainid, isrecursive, projectid and
id. It names accounts and domains, so a list starts from the table's index and never fetches rows
only to throw them away. A plain user never reaches beyond their own account and projects.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from api.authz import governs, is_below
from api.caller import Caller
from api.errors import Denied, InvalidValue, ParamError
from api.fields import EVERY
from projections.cloud import Cloud


class Asked(Protocol):
    """The parameters that scope a list."""

    @property
    def id(self) -> UUID | None: ...
    @property
    def ids(self) -> tuple[UUID, ...] | None: ...
    @property
    def list_all(self) -> bool | None: ...
    @property
    def account(self) -> str | None: ...
    @property
    def domain_id(self) -> UUID | None: ...
    @property
    def is_recursive(self) -> bool | None: ...
    @property
    def project_id(self) -> UUID | None: ...


@dataclass(frozen=True, slots=True)
class Reach:
    """The rows of these accounts in these domains; None is any. `without` are left out."""

    accounts: frozenset[UUID] | None = None
    domains: frozenset[UUID] | None = None
    without: frozenset[UUID] = frozenset()

    @property
    def is_everything(self) -> bool:
        """Does this leave nothing out?"""
        return self.accounts is None and self.domains is None and not self.without

    @property
    def is_all_but(self) -> bool:
        """Does this leave out some accounts and nothing else?"""
        return self.accounts is None and self.domains is None and bool(self.without)

    def is_only(self, attribute: str) -> bool:
        """Is this about `account_id`, or `domain_id`, and about nothing else?"""
        other = self.domains if attribute == "account_id" else self.accounts
        return other is None and not self.without

    def holds(self, row: Any) -> bool:
        """Is this row within reach?"""
        account_id = row.account_id
        if self.accounts is not None and account_id not in self.accounts:
            return False
        if self.domains is not None and row.domain_id not in self.domains:
            return False
        return account_id not in self.without


def reach_of(ask: Asked, caller: Caller) -> Reach:
    """Compile the scoping parameters of a list for this caller."""
    who, cloud = caller.identity, caller.cloud
    if ask.project_id is not None:
        return _projects(ask, caller)
    if ask.account is not None:
        return Reach(accounts=frozenset({named_account(caller, ask.account, ask.domain_id)}))
    by_id = ask.id is not None or bool(ask.ids)
    if not (who.is_root or who.is_domain_admin):
        if ask.domain_id is not None and ask.domain_id != who.domain_id:
            raise Denied(
                f"account {who.account} may not list domain {ask.domain_id}: leave domainid out"
            )
        mine = {who.account_id} | (who.projects if by_id else frozenset())
        return Reach(accounts=frozenset(mine))
    hidden = frozenset() if by_id else project_accounts(cloud)
    if ask.domain_id is not None:
        return Reach(domains=_domains(ask.domain_id, ask.is_recursive, caller), without=hidden)
    if not ask.list_all and not by_id:
        return Reach(accounts=frozenset({who.account_id}))
    if who.is_root:
        return Reach(without=hidden)
    return Reach(domains=_subtree(cloud, who.domain_path), without=hidden)


def _projects(ask: Asked, caller: Caller) -> Reach:
    """The resources of one project, or with -1 of all the caller's projects."""
    who, cloud = caller.identity, caller.cloud
    if ask.account is not None:
        raise ParamError("account and projectid cannot be given together: leave one out")
    if ask.project_id != EVERY:
        return Reach(accounts=frozenset({_project(ask.project_id, caller).account_id}))
    if not ask.list_all:
        return Reach(accounts=who.projects)
    if who.is_root:
        return Reach()
    if who.is_domain_admin:
        return Reach(domains=_subtree(cloud, who.domain_path))
    return Reach(accounts=who.projects | {who.account_id})


def owner_for(
    caller: Caller,
    *,
    account: str | None = None,
    domain_id: UUID | None = None,
    project_id: UUID | None = None,
) -> tuple[UUID, UUID]:
    """Account and domain that shall own what a command creates: the caller's unless it says.

    An administrator may create for an account of a domain that it governs; a member may create
    for its project. Everybody else only for themselves.
    """
    who = caller.identity
    if project_id is not None:
        if account is not None:
            raise ParamError("account and projectid cannot be given together: leave one out")
        project = _project(project_id, caller)
        return project.account_id, project.domain_id
    if account is None:
        if domain_id not in (None, who.domain_id):
            raise ParamError(
                "domainid needs the account that is meant in that domain: give account"
            )
        return who.account_id, who.domain_id
    return named_account(caller, account, domain_id), domain_id or who.domain_id


def named_account(caller: Caller, account: str, domain_id: UUID | None) -> UUID:
    """The account of this name in a domain, or in the caller's; only one it may speak for."""
    who, cloud = caller.identity, caller.cloud
    inside = domain_id or who.domain_id
    name = account.casefold()
    mine = inside == who.domain_id and name == who.account.casefold()
    if not mine and not governs(who, cloud, inside):
        raise Denied(f"account {who.account} may not act for account {account}: leave account out")
    for row in cloud.table("account").by_text("name", name):
        if row.domain_id == inside and row.role_type != "Project":
            return row.id  # type: ignore[no-any-return]
    raise InvalidValue(f"Unable to find account {account} in domain {inside}: check both")


def _project(project_id: UUID | None, caller: Caller) -> Any:
    """A project of which the caller is a member, or whose domain it governs."""
    who, cloud = caller.identity, caller.cloud
    project = cloud.table("project").get(project_id)
    if project is None or not (
        project.account_id in who.projects or governs(who, cloud, project.domain_id)
    ):
        raise Denied(f"account {who.account} is no member of project {project_id}: ask its owner")
    return project


def _domains(top: UUID, recursive: bool | None, caller: Caller) -> frozenset[UUID]:
    if not governs(caller.identity, caller.cloud, top):
        raise Denied(
            f"account {caller.identity.account} may not list domain {top}: name one below its own"
        )
    if not recursive:
        return frozenset({top})
    return _subtree(caller.cloud, str(caller.cloud.table("domain")[top].path))


def _subtree(cloud: Cloud, path: str) -> frozenset[UUID]:
    return frozenset(row.id for row in cloud.table("domain") if is_below(row.path, path))


def project_accounts(cloud: Cloud) -> frozenset[UUID]:
    """The accounts that stand for projects; empty in a cloud that knows no projects."""
    try:
        projects: Iterable[Any] = cloud.table("project")
    except KeyError:
        return frozenset()
    return frozenset(project.account_id for project in projects)
