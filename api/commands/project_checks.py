"""Who may run a project, and who is meant by those who join it or leave it."""

from __future__ import annotations

from uuid import UUID

from api.authz import governs
from api.caller import Caller
from api.errors import Denied, InvalidValue
from api.identity import find_user
from projections.account import Account, accounts
from projections.project import OWNER, REGULAR, Project, projects
from projections.project_member import ProjectMember, project_members
from projections.project_role import ProjectRole, project_roles

MEMBER_ROLES = (OWNER, REGULAR)


def runs(caller: Caller, project: Project) -> bool:
    """Is the caller an owner of the project, or an administrator above it?"""
    who, cloud = caller.identity, caller.cloud
    if governs(who, cloud, project.domain_id):
        return True
    return any(
        one.role == OWNER and one.project_id == project.id and one.user_id in (None, who.user_id)
        for one in cloud[project_members].by("account_id", who.account_id)
    )


def run_by(caller: Caller, project_id: UUID) -> Project:
    """A project that the caller may change. Its id was checked: the caller sees it."""
    project = caller.cloud[projects][project_id]
    if not runs(caller, project):
        raise Denied(
            f"account {caller.identity.account} is no owner of project {project.name}: "
            "ask one of its owners"
        )
    return project


def account_in(caller: Caller, project: Project, name: str) -> Account:
    """An account of the project's domain by its name."""
    for row in caller.cloud[accounts].by_text("name", name):
        if row.domain_id == project.domain_id and row.role_type != "Project":
            return row
    raise InvalidValue(f"Unable to find account {name} in the domain of project {project.name}")


def user_in(caller: Caller, project: Project, name: str) -> tuple[UUID, UUID]:
    """A user of the project's domain by its name, with its account."""
    user = find_user(caller.cloud, name, project.domain_id)
    if user is None:
        raise InvalidValue(f"Unable to find user {name} in the domain of project {project.name}")
    return user.account_id, user.id


def member(
    caller: Caller, project: Project, account_id: UUID, user_id: UUID | None
) -> ProjectMember:
    """How an account, or one user of it, belongs to the project."""
    for one in caller.cloud[project_members].by("project_id", project.id):
        if (one.account_id, one.user_id) == (account_id, user_id):
            return one
    whom = f"user {user_id}" if user_id else f"account {account_id}"
    raise InvalidValue(f"{whom} is no member of project {project.name}: add it first")


def role_in(caller: Caller, project: Project, role_id: UUID | None) -> ProjectRole | None:
    """A role of this very project."""
    if role_id is None:
        return None
    role = caller.cloud[project_roles][role_id]
    if role.project_id != project.id:
        raise InvalidValue(f"project role {role.name} is another project's: use listProjectRoles")
    return role
