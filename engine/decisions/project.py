"""Projects: never without an owner, and nobody a member of one that is closed."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from aggregates.errors import AlreadyExists, InUse, Invalid, NotAllowed, NotFound
from aggregates.project import OWNER, REGULAR, Project
from aggregates.project_member import ProjectMember
from engine.decide import Desk, decision
from engine.decisions.record import claim, create, remove, remove_parts, update
from engine.genesis import stable_id
from engine.intents.project import (
    ActivateProject,
    AddMember,
    AnswerInvitation,
    CreateProject,
    DeleteProjectRole,
    Invite,
    RemoveMember,
    SetMemberRole,
    UpdateProject,
)
from engine.intents.record import CreateRecord, RemoveRecord, UpdateRecord
from projections.account import accounts
from projections.project import projects
from projections.project_invitation import project_invitations
from projections.project_member import project_members
from projections.project_role import project_roles

PROJECT_ROLE_TYPE = "Project"


@decision
def create_project(ask: CreateProject, desk: Desk) -> None:
    """The project's account has the role of users, and no user that could use it."""
    _may_work(desk, ask.owner_id)
    account = {
        "name": f"PrjAcct-{ask.name[:200]}-{ask.project_id.hex[:8]}",
        "domain_id": ask.domain_id,
        "role_id": stable_id("role", "User"),
        "role_type": PROJECT_ROLE_TYPE,
    }
    create(CreateRecord(kind="account", id=ask.project_account_id, fields=account), desk)
    project = {
        "name": ask.name,
        "display_text": ask.display_text,
        "account_id": ask.project_account_id,
        "domain_id": ask.domain_id,
    }
    create(CreateRecord(kind="project", id=ask.project_id, fields=project), desk)
    owner = {"project_id": ask.project_id, "account_id": ask.owner_id, "user_id": ask.user_id}
    fields = owner | {"role": OWNER}
    create(CreateRecord(kind="project_member", id=ask.member_id, fields=fields), desk)


@decision
def update_project(ask: UpdateProject, desk: Desk) -> None:
    row = open_project(desk, ask.project_id)
    update(UpdateRecord(kind="project", id=row.id, fields=ask.fields), desk)


@decision
def activate(ask: ActivateProject, desk: Desk) -> None:
    row = open_project(desk, ask.project_id)
    update(UpdateRecord(kind="project", id=row.id, fields={"state": "Active"}), desk)
    state = {"state": "enabled"}
    update(UpdateRecord(kind="account", id=row.account_id, fields=state), desk)


@decision
def add_member(ask: AddMember, desk: Desk) -> None:
    project = open_project(desk, ask.project_id)
    _is_new(desk, project, ask)
    if ask.project_role_id is not None:
        role = desk.row(project_roles, ask.project_role_id)
        if role.project_id != project.id:
            raise NotFound(f"project {project.name} has no role {role.id}: listProjectRoles")
    fields = {
        "project_id": project.id,
        "account_id": ask.account_id,
        "user_id": ask.user_id,
        "role": ask.role,
        "project_role_id": ask.project_role_id,
    }
    create(CreateRecord(kind="project_member", id=ask.member_id, fields=fields), desk)


@decision
def remove_member(ask: RemoveMember, desk: Desk) -> None:
    row = desk.row(project_members, ask.member_id)
    if row.role == OWNER:
        _other_owner(desk, row)
    remove(RemoveRecord(kind="project_member", id=row.id), desk)


@decision
def set_member_role(ask: SetMemberRole, desk: Desk) -> None:
    """Two that give up at one moment both guard the project's row, so that one owner stays."""
    project = open_project(desk, ask.project_id)
    row = desk.row(project_members, ask.member_id)
    if ask.swap:
        for other in list(_members(desk, project)):
            if other.role == OWNER and other.id != row.id:
                _set_role(desk, other, REGULAR)
    elif row.role == OWNER and ask.role != OWNER:
        _other_owner(desk, row)
    _set_role(desk, row, ask.role)


@decision
def invite(ask: Invite, desk: Desk) -> None:
    project = open_project(desk, ask.project_id)
    _is_new(desk, project, ask)
    # Asked twice at one moment, the later one finds the invitation of the other.
    invited = {"project_id": project.id, "account_id": ask.account_id, "user_id": ask.user_id}
    claim("project_invitation", invited, ask.id, desk)
    for one in desk.cloud[project_invitations].by("project_id", project.id):
        same = (one.account_id, one.user_id) == (ask.account_id, ask.user_id)
        if same and one.state == "Pending":
            if one.expires_at_ms > desk.world.clock.now_ms():
                raise AlreadyExists(f"it is invited to project {project.name} already")
            remove(RemoveRecord(kind="project_invitation", id=one.id), desk)
    names = ("project_id", "account_id", "domain_id", "user_id", "role", "project_role_id")
    fields = {name: getattr(ask, name) for name in names} | {"expires_at_ms": ask.expires_at_ms}
    create(CreateRecord(kind="project_invitation", id=ask.id, fields=fields), desk)


@decision
def answer(ask: AnswerInvitation, desk: Desk) -> None:
    row = desk.row(project_invitations, ask.id)
    if row.state != "Pending" or row.expires_at_ms <= ask.now_ms:
        state_now = row.state if row.state != "Pending" else "Expired"
        raise NotAllowed(f"the invitation is {state_now}: ask an owner of the project for another")
    state = {"state": "Completed" if ask.accept else "Declined"}
    update(UpdateRecord(kind="project_invitation", id=row.id, fields=state), desk)
    if ask.accept:
        wanted = AddMember(
            member_id=ask.member_id,
            project_id=row.project_id,
            account_id=row.account_id,
            user_id=row.user_id,
            role=row.role,
            project_role_id=row.project_role_id,
        )
        add_member(wanted, desk)


@decision
def delete_role(ask: DeleteProjectRole, desk: Desk) -> None:
    row = desk.row(project_roles, ask.role_id)
    having = desk.cloud[project_members].by("project_id", row.project_id)
    if any(member.project_role_id == row.id for member in having):
        raise InUse(f"project role {row.name} is a member's: take them out of the project first")
    remove_parts(desk, "project_invitation", "project_role_id", row.id)
    remove(RemoveRecord(kind="project_role", id=row.id), desk)


def open_project(desk: Desk, project_id: object) -> Project:
    """A project that is not being deleted; whoever deletes it now is waited for."""
    row = desk.row(projects, project_id)  # type: ignore[arg-type]
    if row.ending is not None:
        raise NotAllowed(f"project {row.name} is being deleted by job {row.ending}")
    desk.guard(row)
    return row


def _members(desk: Desk, project: Project) -> Iterable[ProjectMember]:
    return desk.cloud[project_members].by("project_id", project.id)


def _is_new(desk: Desk, project: Project, ask: AddMember | Invite) -> None:
    _may_work(desk, ask.account_id)
    for one in _members(desk, project):
        if one.account_id == ask.account_id and one.user_id in (None, ask.user_id):
            raise AlreadyExists(f"it is a member of project {project.name} already")


def _may_work(desk: Desk, account_id: UUID) -> None:
    """Nobody is behind the account of a project. As a member, and of its own project even, it would
    end with what it waits for."""
    account = desk.row(accounts, account_id)
    if account.role_type == PROJECT_ROLE_TYPE:
        raise Invalid(
            f"account {account.name} is a project's own: name an account of people", field="account"
        )


def _other_owner(desk: Desk, leaving: ProjectMember) -> None:
    """Refuse to leave a project without an owner. Each owner that goes changes the project's row's
    guard, hence of two that go at one moment the second sees that it is the last."""
    project = desk.row(projects, leaving.project_id)
    others = (one for one in _members(desk, project) if one.id != leaving.id)
    stays = next((one for one in others if one.role == OWNER), None)
    if stays is None:
        raise NotAllowed(
            f"it is the only owner of project {project.name}: make another member an owner first"
        )
    desk.guard(stays)


def _set_role(desk: Desk, row: ProjectMember, role: str) -> None:
    fields = {"role": role} | ({"project_role_id": None} if role == OWNER else {})
    update(UpdateRecord(kind="project_member", id=row.id, fields=fields), desk)
