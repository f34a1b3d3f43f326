"""Commands about what members may do in a project."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated
from uuid import UUID, uuid5

from api.caller import Caller
from api.commands.project_checks import role_in, run_by
from api.commands.role import PERMISSION, RULE
from api.declare import Free, Names, Page, Success, command
from api.errors import InvalidValue, ParamError
from api.lists import Filter, list_command
from api.views.project import ProjectRolePermissionView, ProjectRoleView
from engine.intents.project import DeleteProjectRole
from engine.intents.record import CreateRecord, UpdateRecord
from projections.project import Project
from projections.project_role import ProjectRole, project_roles

Rule = tuple[str, bool, str]


@command(
    "createProjectRole",
    returns=ProjectRoleView,
    key="projectrole",
    allow="ARDU",
    action="PROJECT.ROLE.CREATE",
    since="4.15.0",
)
class CreateProjectRole:
    """Create a role of one project; until it has rules it narrows nothing."""

    project_id: Annotated[UUID, "the project", Names("project", right="operate")]
    name: Annotated[str, "its name"]
    description: Annotated[str | None, "what it is for"] = None

    async def run(self, caller: Caller) -> ProjectRole:
        project = run_by(caller, self.project_id)
        fields = {
            "project_id": project.id,
            "project_account_id": project.account_id,
            "domain_id": project.domain_id,
            "name": self.name,
            "description": self.description or "",
        }
        row_id = caller.new_id()
        await caller.decide(CreateRecord(kind="project_role", id=row_id, fields=fields))
        return caller.cloud[project_roles][row_id]


@command(
    "updateProjectRole",
    returns=ProjectRoleView,
    key="projectrole",
    allow="ARDU",
    action="PROJECT.ROLE.UPDATE",
    since="4.15.0",
)
class UpdateProjectRole:
    """Rename or describe a role of a project."""

    id: Annotated[UUID, "the role", Names("project_role", right="see")]
    project_id: Annotated[UUID, "its project", Names("project", right="operate")]
    name: Annotated[str | None, "its new name"] = None
    description: Annotated[str | None, "what it is for"] = None

    async def run(self, caller: Caller) -> ProjectRole:
        _, role = _of(caller, self.project_id, self.id)
        named = {"name": self.name, "description": self.description}
        fields = {name: value for name, value in named.items() if value is not None}
        await caller.decide(UpdateRecord(kind="project_role", id=role.id, fields=fields))
        return caller.cloud[project_roles][role.id]


@command(
    "deleteProjectRole",
    returns=Success,
    allow="ARDU",
    action="PROJECT.ROLE.DELETE",
    since="4.15.0",
)
class DeleteProjectRoleCommand:
    """Delete a role that no member has."""

    id: Annotated[UUID, "the role", Names("project_role", right="see")]
    project_id: Annotated[UUID, "its project", Names("project", right="operate")]

    async def run(self, caller: Caller) -> None:
        _, role = _of(caller, self.project_id, self.id)
        await caller.decide(DeleteProjectRole(role_id=role.id))


@list_command(
    "listProjectRoles",
    view=ProjectRoleView,
    table=project_roles,
    key="projectrole",
    scope="custom",
    since="4.15.0",
)
class ListProjectRoles:
    """List the roles of a project."""

    project_id: Annotated[UUID, "the project", Names("project", right="see")]
    project_role_id: Annotated[
        UUID | None, "the one with this id", Names("project_role", right="see"), Filter("id")
    ] = None

    def rows(self, caller: Caller) -> Iterable[ProjectRole]:
        """Whoever sees the project sees its roles, and no other project's."""
        return list(caller.cloud[project_roles].by("project_id", self.project_id))


@command(
    "listProjectRolePermissions",
    returns=ProjectRolePermissionView,
    key="projectrolepermission",
    shape="list",
    allow="ARDU",
    since="4.15.0",
)
class ListProjectRolePermissions:
    """List the rules of a project's roles, first match first."""

    project_id: Annotated[UUID, "the project", Names("project", right="see")]
    project_role_id: Annotated[
        UUID | None, "of this role alone", Names("project_role", right="see")
    ] = None

    async def run(self, caller: Caller) -> Page:
        found = caller.cloud[project_roles].by("project_id", self.project_id)
        wanted = [row for row in found if self.project_role_id in (None, row.id)]
        rules = [_shown(row, rule) for row in wanted for rule in row.rules]
        return Page(len(rules), rules)


@command(
    "createProjectRolePermission",
    returns=ProjectRolePermissionView,
    key="projectrolepermission",
    allow="ARDU",
    action="PROJECT.ROLE.PERMISSION.CREATE",
    since="4.15.0",
)
class CreateProjectRolePermission:
    """Add a rule behind those that a project role has; it can only narrow."""

    project_id: Annotated[UUID, "the project", Names("project", right="operate")]
    project_role_id: Annotated[UUID, "the role", Names("project_role", right="see")]
    rule: Annotated[str, "a command, or a pattern with *", RULE]
    permission: Annotated[str, "allow or deny", PERMISSION]
    description: Annotated[str | None, "what it is for"] = None

    async def run(self, caller: Caller) -> ProjectRolePermissionView:
        _, role = _of(caller, self.project_id, self.project_role_id)
        if any(rule.lower() == self.rule.lower() for rule, _, _ in role.rules):
            raise InvalidValue(f"role {role.name} has a rule {self.rule} already: update that")
        made = (self.rule, self.permission == "allow", self.description or "")
        await _set(caller, role, [*role.rules, made])
        return _shown(role, made)


@command(
    "updateProjectRolePermission",
    returns=Success,
    allow="ARDU",
    action="PROJECT.ROLE.PERMISSION.UPDATE",
    since="4.15.0",
)
class UpdateProjectRolePermission:
    """Change one rule of a project role, or the order of all."""

    project_id: Annotated[UUID, "the project", Names("project", right="operate")]
    project_role_id: Annotated[UUID, "the role", Names("project_role", right="see")]
    project_role_permission_id: Annotated[
        UUID | None, "the rule", Free("found among the role's own rules")
    ] = None
    permission: Annotated[str | None, "allow or deny", PERMISSION] = None
    rule_order: Annotated[
        tuple[UUID, ...] | None, "every rule, in order", Free("found among the role's own rules")
    ] = None

    async def run(self, caller: Caller) -> None:
        _, role = _of(caller, self.project_id, self.project_role_id)
        rules = {_rule_id(role, rule[0]): rule for rule in role.rules}
        one = self.project_role_permission_id
        if self.rule_order is not None:
            if set(self.rule_order) != set(rules) or len(self.rule_order) != len(rules):
                raise InvalidValue("ruleorder must name every rule of the role once")
            rules = {rule: rules[rule] for rule in self.rule_order}
        elif one in rules and self.permission is not None:
            pattern, _, text = rules[one]
            rules[one] = (pattern, self.permission == "allow", text)
        else:
            raise ParamError("give ruleorder, or projectrolepermissionid and permission")
        await _set(caller, role, list(rules.values()))


@command(
    "deleteProjectRolePermission",
    returns=Success,
    allow="ARDU",
    action="PROJECT.ROLE.PERMISSION.DELETE",
    since="4.15.0",
)
class DeleteProjectRolePermission:
    """Take a rule out of its project role."""

    id: Annotated[UUID, "the rule", Free("found among the rules of the project's roles")]
    project_id: Annotated[UUID, "the project", Names("project", right="operate")]

    async def run(self, caller: Caller) -> None:
        project = run_by(caller, self.project_id)
        for role in caller.cloud[project_roles].by("project_id", project.id):
            kept = [rule for rule in role.rules if _rule_id(role, rule[0]) != self.id]
            if len(kept) != len(role.rules):
                await _set(caller, role, kept)
                return
        raise InvalidValue(f"no role of project {project.name} has a rule {self.id}")


def _of(caller: Caller, project_id: UUID, role_id: UUID) -> tuple[Project, ProjectRole]:
    """A project that the caller runs, and a role that is really this project's."""
    project = run_by(caller, project_id)
    role = role_in(caller, project, role_id)
    assert role is not None
    return project, role


async def _set(caller: Caller, role: ProjectRole, rules: Sequence[Rule]) -> None:
    fields = {"rules": list(rules)}
    await caller.decide(UpdateRecord(kind="project_role", id=role.id, fields=fields))


def _rule_id(role: ProjectRole, rule: str) -> UUID:
    """A rule is known by its role and its pattern."""
    return uuid5(role.id, rule)


def _shown(role: ProjectRole, rule: Rule) -> ProjectRolePermissionView:
    pattern, yes, text = rule
    return ProjectRolePermissionView(
        id=_rule_id(role, pattern),
        project_id=role.project_id,
        project_role_id=role.id,
        project_role_name=role.name,
        rule=pattern,
        permission="allow" if yes else "deny",
        description=text or None,
    )
