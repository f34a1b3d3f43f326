"""What may be asked about projects and those who belong to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from msgspec import Struct

from engine.intents.ending import GUESTS, ending
from projections.project import OWNER, Project, projects
from projections.project_member import project_members


class CreateProject(Struct, frozen=True, kw_only=True):
    """With its account, and its first owner: an account, or one user of it."""

    project_id: UUID
    project_account_id: UUID
    member_id: UUID
    name: str
    display_text: str
    domain_id: UUID
    owner_id: UUID
    user_id: UUID | None = None


class UpdateProject(Struct, frozen=True, kw_only=True):
    """What it is called."""

    project_id: UUID
    fields: dict[str, Any]


class SetMemberRole(Struct, frozen=True, kw_only=True):
    """Make a member an owner or a regular one. `swap`: whoever owned it so far no longer does."""

    project_id: UUID
    member_id: UUID
    role: str
    swap: bool = False


class ActivateProject(Struct, frozen=True, kw_only=True):
    project_id: UUID


class SuspendProject(Struct, frozen=True, kw_only=True):
    """Stop its guests, and let it have nothing more until it is activated."""

    project_id: UUID


class DeleteProject(Struct, frozen=True, kw_only=True):
    """Delete it; without `cleanup` it is refused while it owns anything."""

    project_id: UUID
    cleanup: bool = False


class AddMember(Struct, frozen=True, kw_only=True):
    member_id: UUID
    project_id: UUID
    account_id: UUID
    user_id: UUID | None = None
    role: str = "Regular"
    project_role_id: UUID | None = None


class RemoveMember(Struct, frozen=True, kw_only=True):
    """Refused for the last owner."""

    member_id: UUID


class Invite(Struct, frozen=True, kw_only=True):
    """Ask an account, or a user of it, to become a member until `expires_at_ms`."""

    id: UUID
    project_id: UUID
    account_id: UUID
    domain_id: UUID
    user_id: UUID | None = None
    role: str = "Regular"
    project_role_id: UUID | None = None
    expires_at_ms: int = 0


class AnswerInvitation(Struct, frozen=True, kw_only=True):
    """Accept, and be the member `member_id`, or decline."""

    id: UUID
    member_id: UUID
    accept: bool
    now_ms: int


class DeleteProjectRole(Struct, frozen=True, kw_only=True):
    """Refused while a member has it. Whoever was invited with it is invited no more."""

    role_id: UUID


def owned_alone(cloud: Any, account_id: UUID) -> Iterator[Project]:
    """The projects that have no other owner."""
    for member in cloud[project_members].by("account_id", account_id):
        others = cloud[project_members].by("project_id", member.project_id)
        mine = member.role == OWNER
        if mine and all(one.role != OWNER or one.account_id == account_id for one in others):
            yield cloud[projects][member.project_id]


def _end(project: Project) -> DeleteProject:
    return DeleteProject(project_id=project.id, cleanup=True)


ending("project", _end, turn=GUESTS, rows=owned_alone)
ending("project_member", lambda member: RemoveMember(member_id=member.id))
