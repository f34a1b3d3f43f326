"""Commands about projects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from api.authz import governs, is_below
from api.caller import Caller, Job
from api.commands import state_words
from api.commands.identity_checks import account_of
from api.commands.project_checks import MEMBER_ROLES, account_in, member, run_by
from api.declare import Free, Names, OneOf, Success, command
from api.errors import Denied, InvalidValue, ParamError
from api.identity import memberships
from api.lists import Filter, list_command
from api.scope import named_account
from api.views.project import ProjectView
from engine.intents.job import AsJob
from engine.intents.project import (
    ActivateProject,
    CreateProject,
    DeleteProject,
    SetMemberRole,
    SuspendProject,
    UpdateProject,
)
from engine.intents.record import Together
from projections.account import accounts
from projections.project import OWNER, Project, projects
from projections.project_member import project_members
from projections.setting import is_on
from projections.user import users

ROLES = OneOf(*MEMBER_ROLES)


@command(
    "createProject",
    returns=ProjectView,
    key="project",
    is_async=True,
    creates=True,
    allow="ARDU",
    action="PROJECT.CREATE",
    since="3.0.0",
)
class CreateProjectCommand:
    """Create a project, owned by the caller or by whom an administrator names."""

    name: Annotated[str, "its name"]
    display_text: Annotated[str | None, "what it is for; its name if not given"] = None
    account: Annotated[str | None, "the account that owns it; the domain is given too"] = None
    domain_id: Annotated[UUID | None, "the domain of that account", Names("domain")] = None
    account_id: Annotated[
        UUID | None, "the account that owns it", Names("account", right="operate")
    ] = None
    user_id: Annotated[
        UUID | None, "the user that alone owns it", Names("user", right="operate")
    ] = None

    async def run(self, caller: Caller) -> Job:
        if caller.role_type == "User" and not is_on(caller.cloud, "allow.user.create.projects"):
            raise Denied("users may not create projects here: ask an administrator")
        owner_id = self._owner(caller)
        ask = CreateProject(
            project_id=caller.new_id(),
            project_account_id=caller.new_id(),
            member_id=caller.new_id(),
            name=self.name,
            display_text=self.display_text or self.name,
            domain_id=caller.cloud[accounts][owner_id].domain_id,
            owner_id=owner_id,
            user_id=self.user_id,
        )
        return await caller.submit(
            AsJob(ask=ask, subject_kind="project", subject_id=ask.project_id)
        )

    def _owner(self, caller: Caller) -> UUID:
        """The account that is meant, in whichever of three ways; only one it may act for."""
        if self.account_id is not None and self.account is not None:
            raise ParamError("give account or accountid, not both")
        owner_id = self.account_id or caller.account_id
        if self.account is not None:
            owner_id = named_account(caller, self.account, self.domain_id)
        if self.user_id is not None:
            user = caller.cloud[users][self.user_id]
            if (self.account or self.account_id) and user.account_id != owner_id:
                raise InvalidValue(f"user {user.name} is of another account: leave one out")
            owner_id = user.account_id
        if owner_id != caller.account_id:
            account_of(caller, owner_id, None, None)
        return owner_id


@command(
    "updateProject",
    returns=ProjectView,
    key="project",
    is_async=True,
    allow="ARDU",
    action="PROJECT.UPDATE",
    since="3.0.0",
)
class UpdateProjectCommand:
    """Rename a project, or give it other owners."""

    id: Annotated[UUID, "the project", Names("project", right="operate")]
    name: Annotated[str | None, "its new name"] = None
    display_text: Annotated[str | None, "what it is for"] = None
    account: Annotated[str | None, "a member account that shall own it"] = None
    user_id: Annotated[
        UUID | None, "a member user that shall own it", Free("found among the project's members")
    ] = None
    swap_owner: Annotated[bool | None, "whether the present owner steps back; true if left out"] = (
        None
    )
    role_type: Annotated[str | None, "with swapowner=false: Admin or Regular", ROLES] = None

    async def run(self, caller: Caller) -> Job:
        project = run_by(caller, self.id)
        asks: list[Any] = []
        named = {"name": self.name, "display_text": self.display_text}
        fields = {name: value for name, value in named.items() if value is not None}
        asks.append(UpdateProject(project_id=project.id, fields=fields))
        if self.account is not None or self.user_id is not None:
            asks.append(self._owner(caller, project))
        ask = Together(asks=tuple(asks))
        return await caller.submit(AsJob(ask=ask, subject_kind="project", subject_id=project.id))

    def _owner(self, caller: Caller, project: Project) -> SetMemberRole:
        if self.account is not None and self.user_id is not None:
            raise ParamError("give account or userid, not both")
        if self.account is not None:
            whom = member(caller, project, account_in(caller, project, self.account).id, None)
        else:
            user = caller.cloud[users].get(self.user_id)
            if user is None:
                raise InvalidValue(f"there is no user {self.user_id}")
            whom = member(caller, project, user.account_id, user.id)
        swap = self.swap_owner is not False
        role = OWNER if swap else self.role_type or OWNER
        return SetMemberRole(project_id=project.id, member_id=whom.id, role=role, swap=swap)


@command(
    "activateProject",
    returns=ProjectView,
    key="project",
    envelope="activaterojectresponse",
    is_async=True,
    allow="ARDU",
    action="PROJECT.ACTIVATE",
    since="3.0.0",
)
class ActivateProjectCommand:
    """Let a suspended project have new things again. Its guests stay stopped."""

    id: Annotated[UUID, "the project", Names("project", right="operate")]

    async def run(self, caller: Caller) -> Job:
        project = run_by(caller, self.id)
        ask = ActivateProject(project_id=project.id)
        return await caller.submit(AsJob(ask=ask, subject_kind="project", subject_id=project.id))


@command(
    "suspendProject",
    returns=ProjectView,
    key="project",
    is_async=True,
    allow="ARDU",
    action="PROJECT.SUSPEND",
    since="3.0.0",
)
class SuspendProjectCommand:
    """Stop a project's guests; it gets nothing new until it is activated."""

    id: Annotated[UUID, "the project", Names("project", right="operate")]

    async def run(self, caller: Caller) -> Job:
        return await caller.submit(SuspendProject(project_id=run_by(caller, self.id).id))


@command(
    "deleteProject",
    returns=Success,
    is_async=True,
    allow="ARDU",
    action="PROJECT.DELETE",
    since="3.0.0",
)
class DeleteProjectCommand:
    """Delete a project that owns nothing; with cleanup also all that it owns."""

    id: Annotated[UUID, "the project", Names("project", right="operate")]
    cleanup: Annotated[bool | None, "delete what it owns as well"] = None

    async def run(self, caller: Caller) -> Job:
        project = run_by(caller, self.id)
        ask = DeleteProject(project_id=project.id, cleanup=bool(self.cleanup))
        return await caller.submit(ask)


@list_command(
    "listProjects",
    view=ProjectView,
    table=projects,
    key="project",
    scope="custom",
    keyword=("name", "display_text"),
    since="3.0.0",
)
class ListProjects:
    """List the projects of the caller; administrators list others by listall or domainid."""

    display_text: Annotated[str | None, "those with this text"] = None
    state: Annotated[str | None, "those in this state", state_words.PROJECT] = None
    show_icon: Annotated[bool | None, "also the icon of each", Filter()] = None
    username: Annotated[str | None, "those with this user as a member", Filter()] = None
    details: Annotated[tuple[str, ...] | None, "ignored: everything is shown", Filter()] = None

    def rows(self, caller: Caller) -> Iterable[Project]:
        who, cloud, ask = caller.identity, caller.cloud, self._asked()
        mine = {row.id for row, _ in memberships(cloud, who.user_id, who.account_id)}
        wide = bool(ask.list_all or ask.domain_id or ask.account or ask.id or ask.ids)
        # A member whose project role denies this list has lost the project's account.
        own = {
            one for one in mine if who.is_root or cloud[projects][one].account_id in who.projects
        }
        return [
            row
            for row in cloud[projects]
            if row.id in own or (wide and governs(who, cloud, row.domain_id))
        ]

    def matches(self, row: Any, caller: Caller) -> bool:
        ask, cloud = self._asked(), caller.cloud
        if ask.domain_id is not None and not self._below(row, caller):
            return False
        members = list(cloud[project_members].by("project_id", row.id))
        if ask.account is not None:
            account_id = named_account(caller, ask.account, ask.domain_id)
            if all(one.account_id != account_id for one in members):
                return False
        if self.username is None:
            return True
        named = (cloud[users].get(one.user_id) for one in members)
        return any(user is not None and user.name == self.username for user in named)

    def _below(self, row: Project, caller: Caller) -> bool:
        ask, table = self._asked(), caller.cloud.table("domain")
        if not ask.is_recursive:
            return bool(row.domain_id == ask.domain_id)
        return is_below(str(table[row.domain_id].path), str(table[ask.domain_id].path))

    def _asked(self) -> Any:
        """With the parameters that every list has."""
        return self
