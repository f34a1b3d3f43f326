"""Commands about who belongs to a project."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from api.authz import governs
from api.caller import Caller, Job
from api.commands import state_words
from api.commands.project_checks import (
    MEMBER_ROLES,
    account_in,
    member,
    role_in,
    run_by,
    runs,
    user_in,
)
from api.declare import EVERY, Free, Names, OneOf, Success, command
from api.errors import InvalidValue, ParamError, no_such_id
from api.lists import Filter, list_command
from api.scope import named_account
from api.views.project import ProjectAccountView, ProjectInvitationView
from engine.intents.job import AsJob
from engine.intents.project import AddMember, AnswerInvitation, Invite, RemoveMember
from engine.intents.record import RemoveRecord
from projections.account import accounts
from projections.project import Project, projects
from projections.project_invitation import ProjectInvitation, project_invitations
from projections.project_member import ProjectMember, project_members
from projections.setting import is_on, number_of

ROLES = OneOf(*MEMBER_ROLES)
NO_MAIL = "no mail is sent from here, so nobody can be invited by it: name the account or the user"


@command(
    "addAccountToProject",
    returns=Success,
    is_async=True,
    allow="ARDU",
    action="PROJECT.ACCOUNT.ADD",
    since="3.0.0",
)
class AddAccountToProject:
    """Make an account a member of a project, or invite it where it must be asked."""

    project_id: Annotated[UUID, "the project", Names("project", right="operate")]
    account: Annotated[str | None, "the account's name; it is in the project's domain"] = None
    email: Annotated[str | None, "refused: no mail is sent"] = None
    role_type: Annotated[str | None, "Admin or Regular", ROLES] = None
    project_role_id: Annotated[
        UUID | None, "what narrows it in the project", Names("project_role", right="see")
    ] = None

    async def run(self, caller: Caller) -> Job:
        project = run_by(caller, self.project_id)
        if self.account is None:
            raise ParamError(
                "say which account is meant, by account" if not self.email else NO_MAIL
            )
        whom = account_in(caller, project, self.account)
        return await _join(caller, project, self, whom.id, None)


@command(
    "addUserToProject",
    returns=Success,
    is_async=True,
    allow="ARDU",
    action="PROJECT.USER.ADD",
    since="4.14",
)
class AddUserToProject:
    """Make one user a member of a project, without the rest of its account."""

    project_id: Annotated[UUID, "the project", Names("project", right="operate")]
    username: Annotated[str, "what the user signs in with; it is in the project's domain"]
    email: Annotated[str | None, "ignored: no mail is sent"] = None
    role_type: Annotated[str | None, "Admin or Regular", ROLES] = None
    project_role_id: Annotated[
        UUID | None, "what narrows it in the project", Names("project_role", right="see")
    ] = None

    async def run(self, caller: Caller) -> Job:
        project = run_by(caller, self.project_id)
        return await _join(caller, project, self, *user_in(caller, project, self.username))


async def _join(
    caller: Caller,
    project: Project,
    ask: AddAccountToProject | AddUserToProject,
    account_id: UUID,
    user_id: UUID | None,
) -> Job:
    """At once, or by an invitation if the setting says that everybody is asked."""
    role = role_in(caller, project, ask.project_role_id)
    wanted: dict[str, Any] = {
        "project_id": project.id,
        "account_id": account_id,
        "user_id": user_id,
        "role": ask.role_type or "Regular",
        "project_role_id": role.id if role else None,
    }
    made = caller.new_id()
    intent: object = AddMember(member_id=made, **wanted)
    if is_on(caller.cloud, "project.invite.required"):
        wait_ms = int(number_of(caller.cloud, "project.invite.timeout") * 1000)
        domain_id = caller.cloud[accounts][account_id].domain_id
        expires_at_ms = caller.now_ms + wait_ms
        intent = Invite(id=made, domain_id=domain_id, expires_at_ms=expires_at_ms, **wanted)
    return await caller.submit(AsJob(ask=intent, subject_kind="project", subject_id=project.id))


@command(
    "deleteAccountFromProject",
    returns=Success,
    is_async=True,
    allow="ARDU",
    action="PROJECT.ACCOUNT.REMOVE",
    since="3.0.0",
)
class DeleteAccountFromProject:
    """End an account's membership: from its next request on the project is not there for it."""

    project_id: Annotated[UUID, "the project", Names("project", right="see")]
    account: Annotated[str, "the account's name"]

    async def run(self, caller: Caller) -> Job:
        project = caller.cloud[projects][self.project_id]
        account_id = account_in(caller, project, self.account).id
        if account_id != caller.account_id:  # who is a member may always leave
            run_by(caller, project.id)
        row = member(caller, project, account_id, None)
        ask = AsJob(
            ask=RemoveMember(member_id=row.id), subject_kind="project", subject_id=project.id
        )
        return await caller.submit(ask)


@command(
    "deleteUserFromProject",
    returns=Success,
    is_async=True,
    allow="ARDU",
    action="PROJECT.USER.REMOVE",
    since="4.15.0",
)
class DeleteUserFromProject:
    """End a user's own membership: from its next request on the project is not there for it."""

    project_id: Annotated[UUID, "the project", Names("project", right="see")]
    user_id: Annotated[UUID, "the user", Free("found among the project's members")]

    async def run(self, caller: Caller) -> Job:
        project = caller.cloud[projects][self.project_id]
        if self.user_id != caller.user_id:
            run_by(caller, project.id)
        for row in caller.cloud[project_members].by("project_id", project.id):
            if row.user_id == self.user_id:
                ask = RemoveMember(member_id=row.id)
                return await caller.submit(
                    AsJob(ask=ask, subject_kind="project", subject_id=project.id)
                )
        raise InvalidValue(f"user {self.user_id} is no member of project {project.name} by itself")


@list_command(
    "listProjectAccounts",
    view=ProjectAccountView,
    table=project_members,
    key="projectaccount",
    scope="custom",
    keyword=(),
    since="3.0.0",
)
class ListProjectAccounts:
    """List who belongs to a project."""

    project_id: Annotated[UUID, "the project", Names("project", right="see"), Filter()]
    role: Annotated[str | None, "Admin or Regular"] = None
    user_id: Annotated[
        UUID | None, "one user's own membership", Free("found among the project's members")
    ] = None
    project_role_id: Annotated[
        UUID | None, "those with this role", Names("project_role", right="see")
    ] = None

    def rows(self, caller: Caller) -> Iterable[ProjectMember]:
        return list(caller.cloud[project_members].by("project_id", self.project_id))

    def matches(self, row: Any, caller: Caller) -> bool:
        named: str | None = getattr(self, "account", None)
        account = caller.cloud[accounts].get(row.account_id)
        return named is None or (account is not None and account.name.lower() == named.lower())


@list_command(
    "listProjectInvitations",
    view=ProjectInvitationView,
    table=project_invitations,
    key="projectinvitation",
    scope="custom",
    keyword=(),
    since="3.0.0",
)
class ListProjectInvitations:
    """List the caller's invitations, or those into projects that it runs."""

    state: Annotated[str | None, "those in this state", state_words.INVITATION, Filter()] = None
    active_only: Annotated[bool | None, "those that can be accepted still", Filter()] = None
    user_id: Annotated[
        UUID | None, "those of one user", Free("narrows what the caller sees anyhow")
    ] = None

    def visible(self, row: Any, caller: Caller) -> bool:
        if _is_asked(row, caller):
            return True
        project = caller.cloud[projects].get(row.project_id)
        return project is not None and runs(caller, project)

    def matches(self, row: Any, caller: Caller) -> bool:
        ask: Any = self
        if ask.project_id not in (None, EVERY, row.project_id):
            return False
        if ask.domain_id is not None and row.domain_id != ask.domain_id:
            return False
        if ask.account is not None:
            named = named_account(caller, ask.account, ask.domain_id)
            if row.account_id != named:
                return False
        state = state_of(row, caller.now_ms)
        if self.active_only and state != "Pending":
            return False
        return self.state is None or state.lower() == self.state.lower()

    def show(self, row: Any, caller: Caller) -> ProjectInvitationView:
        shown = ProjectInvitationView.of(row, caller.cloud)
        shown.state = state_of(row, caller.now_ms)
        return shown


def state_of(row: ProjectInvitation, now_ms: int) -> str:
    """One that nobody answered in time is expired."""
    late = row.state == "Pending" and row.expires_at_ms <= now_ms
    return "Expired" if late else row.state


def _is_asked(row: ProjectInvitation, caller: Caller) -> bool:
    """Is it the caller who is invited?"""
    return row.account_id == caller.account_id and row.user_id in (None, caller.user_id)


@command(
    "updateProjectInvitation",
    returns=Success,
    is_async=True,
    allow="ARDU",
    action="PROJECT.INVITATION.UPDATE",
    since="3.0.0",
)
class UpdateProjectInvitation:
    """Accept or decline an invitation into a project."""

    project_id: Annotated[UUID, "the project", Free("an invitation of the caller's is looked for")]
    accept: Annotated[bool | None, "false declines"] = None
    account: Annotated[str | None, "the account that was asked, if it is not the caller's"] = None
    user_id: Annotated[
        UUID | None, "the user that was asked", Free("only the caller's own invitations count")
    ] = None
    token: Annotated[str | None, "ignored: no mail is sent"] = None

    async def run(self, caller: Caller) -> Job:
        for row in self._for_me(caller):
            ask = AnswerInvitation(
                id=row.id,
                member_id=caller.new_id(),
                accept=self.accept is not False,
                now_ms=caller.now_ms,
            )
            return await caller.submit(
                AsJob(ask=ask, subject_kind="project", subject_id=row.project_id)
            )
        raise no_such_id("updateProjectInvitation", "projectid", str(self.project_id))

    def _for_me(self, caller: Caller) -> list[ProjectInvitation]:
        """Those into this project, latest first. Only who was asked may answer, or who governs."""
        mine = [
            row
            for row in caller.cloud[project_invitations].by("project_id", self.project_id)
            if (_is_asked(row, caller) if self.account is None else self._named(row, caller))
            and self.user_id in (None, row.user_id)
            and row.state == "Pending"
        ]
        return mine[::-1]

    def _named(self, row: ProjectInvitation, caller: Caller) -> bool:
        account = caller.cloud[accounts].get(row.account_id)
        if account is None or account.name.lower() != (self.account or "").lower():
            return False
        return _is_asked(row, caller) or governs(caller.identity, caller.cloud, row.domain_id)


@command(
    "deleteProjectInvitation",
    returns=Success,
    is_async=True,
    allow="ARDU",
    action="PROJECT.INVITATION.REMOVE",
    since="3.0.0",
)
class DeleteProjectInvitation:
    """Take an invitation back."""

    id: Annotated[UUID, "the invitation", Free("only who runs its project finds it")]

    async def run(self, caller: Caller) -> Job:
        row = caller.cloud[project_invitations].get(self.id)
        project = caller.cloud[projects].get(row.project_id) if row is not None else None
        if row is None or project is None or not runs(caller, project):
            raise no_such_id("deleteProjectInvitation", "id", str(self.id))
        ask = RemoveRecord(kind="project_invitation", id=row.id)
        return await caller.submit(AsJob(ask=ask, subject_kind="project", subject_id=project.id))
