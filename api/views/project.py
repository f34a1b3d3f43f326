"""Projects, their members, roles and invitations as the wire shows them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec

from api.authz import noun
from api.declare import Cloud, Date, View, date, view
from api.views.account import guests_in
from api.views.owner import wire_path
from api.views.resource_icon import ResourceIconView
from api.views.resource_limit import LimitedView, limits_of
from api.views.tag import TagView, tags_of
from api.views.user import ACCOUNT_TYPES, UserView
from projections.account import accounts
from projections.domain import domains
from projections.project import OWNER, Project, projects
from projections.project_invitation import ProjectInvitation, project_invitations
from projections.project_member import ProjectMember, project_members
from projections.project_role import ProjectRole, project_roles
from projections.user import User, users

noun(project_members.kind, "owned")
noun(project_invitations.kind, "owned")
noun(project_roles.kind, "owned", owner=lambda row: (row.project_account_id, row.domain_id))


@view
class ProjectView(LimitedView, kw_only=True):
    """What several accounts and users share."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    display_text: Annotated[str, "what it is for"]
    domain_id: Annotated[UUID, "the domain that it is in"]
    domain: Annotated[str | None, "the name of that domain"] = None
    project_account_name: Annotated[str | None, "the account that owns what it has"] = None
    owner: Annotated[list[dict[str, str]], "who may change it: account, and user if only one may"]
    state: Annotated[str, "Active, Suspended or Disabled"]
    created: Annotated[Date, "when it was made"]
    tags: Annotated[list[TagView], "its tags"]
    vm_running: Annotated[int, "guests that run"]
    vm_stopped: Annotated[int, "guests that are stopped"]
    icon: Annotated[ResourceIconView | None, "its icon, if it is asked for"] = None

    @classmethod
    def of(cls, row: Project, cloud: Cloud) -> ProjectView:
        domain, account = cloud[domains].get(row.domain_id), cloud[accounts].get(row.account_id)
        members = cloud[project_members].by("project_id", row.id)
        return cls(
            id=row.id,
            name=row.name,
            display_text=row.display_text,
            domain_id=row.domain_id,
            domain=domain.name if domain else None,
            project_account_name=account.name if account else None,
            owner=[_owner(one, cloud) for one in members if one.role == OWNER],
            state=row.state,
            created=date(row.created_at_ms),
            tags=tags_of(row.id, cloud),
            vm_running=guests_in(cloud, row.account_id, "Running"),
            vm_stopped=guests_in(cloud, row.account_id, "Stopped"),
            **limits_of(row.account_id, cloud, projects=False),
        )


def _owner(member: ProjectMember, cloud: Cloud) -> dict[str, str]:
    account, user = cloud[accounts].get(member.account_id), cloud[users].get(member.user_id)
    told = {"accountid": str(member.account_id), "account": account.name if account else ""}
    return told | ({"userid": str(user.id), "user": user.name} if user else {})


@view
class ProjectAccountView(View, kw_only=True):
    """A member of a project."""

    project_id: Annotated[UUID, "the project"]
    project: Annotated[str | None, "its name"] = None
    account_id: Annotated[UUID, "the account that is a member, or whose user is"]
    account: Annotated[str | None, "the name of that account"] = None
    account_type: Annotated[int | None, "0 user, 1 root, 2 domain, 3 resource admin"] = None
    user_id: Annotated[UUID | None, "the user, where one alone is the member"] = None
    username: Annotated[str | None, "what that user signs in with"] = None
    role: Annotated[str, "Admin for an owner, else Regular"]
    project_role_id: Annotated[UUID | None, "what narrows it"] = None
    domain_id: Annotated[UUID | None, "the domain of the account"] = None
    domain: Annotated[str | None, "the name of that domain"] = None
    domain_path: Annotated[str | None, "where that domain stands in the tree"] = None
    user: Annotated[list[UserView], "who acts for it"]

    @classmethod
    def of(cls, row: ProjectMember, cloud: Cloud) -> ProjectAccountView:
        project, account = cloud[projects].get(row.project_id), cloud[accounts].get(row.account_id)
        domain = cloud[domains].get(account.domain_id) if account else None
        people = cloud[users].by("account_id", row.account_id)
        alone = cloud[users].get(row.user_id)
        return cls(
            project_id=row.project_id,
            project=project.name if project else None,
            account_id=row.account_id,
            account=account.name if account else None,
            account_type=ACCOUNT_TYPES.get(account.role_type) if account else None,
            user_id=row.user_id,
            username=alone.name if alone else None,
            role=row.role,
            project_role_id=row.project_role_id,
            domain_id=domain.id if domain else None,
            domain=domain.name if domain else None,
            domain_path=wire_path(domain.path) if domain else None,
            user=[_person(one, cloud) for one in people if row.user_id in (None, one.id)],
        )


def _person(row: User, cloud: Cloud) -> UserView:
    """A user as other members of a project may see it: which key it signs with is its own."""
    return msgspec.structs.replace(UserView.of(row, cloud), api_key=None)


@view
class ProjectInvitationView(View, kw_only=True):
    """Who was asked into a project, and what became of it."""

    id: Annotated[UUID, "its id"]
    project_id: Annotated[UUID, "the project"]
    project: Annotated[str | None, "its name"] = None
    account: Annotated[str | None, "the account that was asked"] = None
    user_id: Annotated[UUID | None, "the user, where one alone was asked"] = None
    domain_id: Annotated[UUID, "the domain of the account"]
    domain: Annotated[str | None, "the name of that domain"] = None
    domain_path: Annotated[str | None, "where that domain stands in the tree"] = None
    state: Annotated[str, "Pending, Completed, Declined or Expired"]

    @classmethod
    def of(cls, row: ProjectInvitation, cloud: Cloud) -> ProjectInvitationView:
        """As the log's time has it: one that nobody answered in time is told by the list."""
        project, account = cloud[projects].get(row.project_id), cloud[accounts].get(row.account_id)
        domain = cloud[domains].get(row.domain_id)
        return cls(
            id=row.id,
            project_id=row.project_id,
            project=project.name if project else None,
            account=account.name if account else None,
            user_id=row.user_id,
            domain_id=row.domain_id,
            domain=domain.name if domain else None,
            domain_path=wire_path(domain.path) if domain else None,
            state=row.state,
        )


@view
class ProjectRoleView(View, kw_only=True):
    """What a member of one project may do in it."""

    id: Annotated[UUID, "its id"]
    project_id: Annotated[UUID, "the project"]
    name: Annotated[str, "its name"]
    description: Annotated[str | None, "what it is for"] = None

    @classmethod
    def of(cls, row: ProjectRole, cloud: Cloud) -> ProjectRoleView:
        description = row.description or None
        return cls(id=row.id, project_id=row.project_id, name=row.name, description=description)


@view
class ProjectRolePermissionView(View, kw_only=True):
    """One rule of a project role: the first whose pattern fits a command decides."""

    id: Annotated[UUID, "its id"]
    project_id: Annotated[UUID, "the project"]
    project_role_id: Annotated[UUID, "the role"]
    project_role_name: Annotated[str, "the name of that role"]
    rule: Annotated[str, "a command, or a pattern with *"]
    permission: Annotated[str, "allow or deny"]
    description: Annotated[str | None, "what it is for"] = None
