"""Commands about roles and their rules."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated
from uuid import UUID, uuid5

from api.caller import Caller
from api.commands import state_words
from api.commands.identity_checks import chosen_id, outranks
from api.declare import REGISTRY, Free, Matches, Names, OneOf, Page, Success, command, entry
from api.errors import Denied, InvalidValue, ParamError
from api.identity import rules_in
from api.lists import Filter, list_command
from api.views.role import RolePermissionView, RoleView
from engine.intents.record import CreateRecord
from engine.intents.role import ChangeRole, DeleteRole
from projections.account import accounts
from projections.role import Role, roles

TYPES = OneOf("Admin", "ResourceAdmin", "DomainAdmin", "User")
LETTERS = {"Admin": "A", "ResourceAdmin": "R", "DomainAdmin": "D", "User": "U"}
RULE = Matches(r"[A-Za-z0-9*]+", "a command or a pattern of letters and *")
PERMISSION = OneOf("allow", "deny")


@list_command("listRoles", view=RoleView, table=roles, key="role", scope="catalogue", allow="ARD")
class ListRoles:
    """List roles."""

    type: Annotated[str | None, "those of this type", Filter("role_type")] = None
    state: Annotated[str | None, "enabled or disabled ones", state_words.ROLE] = None

    def visible(self, row: Role, caller: Caller) -> bool:
        """Only a root administrator sees a role that only it may give."""
        return row.is_public or caller.is_root


@command("createRole", returns=RoleView, key="role", allow="A", action="ROLE.CREATE")
class CreateRole:
    """Create a role without rules, which may do nothing, or with the rules of another one."""

    name: Annotated[str, "its name"]
    type: Annotated[str | None, "Admin, ResourceAdmin, DomainAdmin or User", TYPES] = None
    role_id: Annotated[UUID | None, "the role whose rules it takes over", Names("role")] = None
    description: Annotated[str | None, "what it is for"] = None
    is_public: Annotated[bool | None, "whether domain administrators may give it"] = None

    async def run(self, caller: Caller) -> Role:
        if (self.type is None) == (self.role_id is None):
            raise ParamError("give the type of the role or the role that it is made from, not both")
        source = caller.cloud[roles][self.role_id] if self.role_id else None
        role_type = source.role_type if source else self.type
        rules = rules_of(source) if source else []
        outranks(caller, str(role_type), tuple(rules))
        notes = dict(source.notes) if source else {}
        return await _made(caller, self, str(role_type), rules, notes)


@command("updateRole", returns=RoleView, key="role", allow="A", action="ROLE.UPDATE")
class UpdateRole:
    """Rename or describe a role, or give it another type while no account has it."""

    id: Annotated[UUID, "the role", Names("role", right="operate")]
    name: Annotated[str | None, "its new name"] = None
    type: Annotated[str | None, "Admin, ResourceAdmin, DomainAdmin or User", TYPES] = None
    description: Annotated[str | None, "what it is for"] = None
    is_public: Annotated[bool | None, "whether domain administrators may give it"] = None

    async def run(self, caller: Caller) -> Role:
        row = caller.cloud[roles][self.id]
        outranks(caller, self.type or row.role_type, rules_in(row))
        ask = ChangeRole(
            role_id=self.id,
            name=self.name,
            description=self.description,
            is_public=self.is_public,
            role_type=self.type,
        )
        await caller.decide(ask)
        return caller.cloud[roles][self.id]


@entry
class RoleRule:
    """One rule of a role."""

    rule: Annotated[str, "a command, or a pattern with *", RULE]
    permission: Annotated[str, "allow or deny", PERMISSION]
    description: Annotated[str | None, "what it is for"] = None


@command(
    "importRole", returns=RoleView, key="role", allow="A", action="ROLE.IMPORT", since="4.15.0"
)
class ImportRole:
    """Create a role with all its rules at once; with forced they replace those that it has."""

    name: Annotated[str, "its name"]
    rules: Annotated[tuple[RoleRule, ...], "first match first"]
    type: Annotated[str | None, "Admin, ResourceAdmin, DomainAdmin or User", TYPES] = None
    description: Annotated[str | None, "what it is for"] = None
    is_public: Annotated[bool | None, "whether domain administrators may give it"] = None
    forced: Annotated[bool | None, "whether a role of this name is overwritten"] = None

    async def run(self, caller: Caller) -> Role:
        rules = [(one.rule, one.permission == "allow") for one in self.rules]
        there = next((r for r in caller.cloud[roles] if r.name.lower() == self.name.lower()), None)
        role_type = self.type or (there.role_type if there else None)
        if role_type is None:
            raise ParamError("give the type of the role: Admin, ResourceAdmin, DomainAdmin or User")
        outranks(caller, role_type, tuple(rules))
        notes = {one.rule: one.description for one in self.rules if one.description}
        if there is None:
            return await _made(caller, self, role_type, rules, notes)
        if not self.forced:
            raise InvalidValue(f"role {there.name} already exists: send forced=true")
        ask = ChangeRole(
            role_id=there.id,
            description=self.description,
            is_public=self.is_public,
            role_type=role_type,
            rules=rules,
            notes=notes,
        )
        await caller.decide(ask)
        return caller.cloud[roles][there.id]


@command("enableRole", returns=Success, allow="A", action="ROLE.ENABLE", since="4.20.0")
class EnableRole:
    """Let those who have a role act by it again."""

    id: Annotated[UUID, "the role", Names("role", right="operate")]

    async def run(self, caller: Caller) -> None:
        row = caller.cloud[roles][self.id]
        outranks(caller, row.role_type, tuple(row.rules))
        await caller.decide(ChangeRole(role_id=row.id, state="enabled"))


@command("disableRole", returns=Success, allow="A", action="ROLE.DISABLE", since="4.20.0")
class DisableRole:
    """Let those who have a role do nothing, from their next request on."""

    id: Annotated[UUID, "the role", Names("role", right="operate")]

    async def run(self, caller: Caller) -> None:
        if caller.cloud[accounts][caller.account_id].role_id == self.id:
            raise Denied("nobody disables the role that they have: ask another administrator")
        await caller.decide(ChangeRole(role_id=self.id, state="disabled"))


@command("deleteRole", returns=Success, allow="A", action="ROLE.DELETE")
class DeleteRoleCommand:
    """Delete a role that no account has."""

    id: Annotated[UUID, "the role", Names("role", right="operate")]

    async def run(self, caller: Caller) -> None:
        await caller.decide(DeleteRole(role_id=self.id))


@command(
    "listRolePermissions",
    returns=RolePermissionView,
    key="rolepermission",
    shape="list",
    allow="A",
)
class ListRolePermissions:
    """List the rules of a role, first match first."""

    role_id: Annotated[UUID | None, "the role; all if not given", Names("role", right="see")] = None

    async def run(self, caller: Caller) -> Page:
        table = caller.cloud[roles]
        wanted = [table[self.role_id]] if self.role_id else list(table)
        rules = [_shown(row, *rule) for row in wanted for rule in rules_of(row)]
        return Page(len(rules), rules)


@command(
    "createRolePermission",
    returns=RolePermissionView,
    key="rolepermission",
    allow="A",
    action="ROLE.PERMISSION.CREATE",
)
class CreateRolePermission:
    """Add a rule behind those that a role has."""

    role_id: Annotated[UUID, "the role", Names("role", right="operate")]
    rule: Annotated[str, "a command, or a pattern with *", RULE]
    permission: Annotated[str, "allow or deny", PERMISSION]
    description: Annotated[str | None, "why it is there"] = None

    async def run(self, caller: Caller) -> RolePermissionView:
        row = caller.cloud[roles][self.role_id]
        if any(rule.lower() == self.rule.lower() for rule, _ in row.rules):
            raise InvalidValue(f"role {row.name} has a rule {self.rule} already: update that")
        rule = (self.rule, self.permission == "allow")
        told = {self.rule: self.description} if self.description else {}
        await _change(caller, row, [*row.rules, rule], told)
        return _shown(caller.cloud[roles][row.id], *rule)


@command("updateRolePermission", returns=Success, allow="A", action="ROLE.PERMISSION.UPDATE")
class UpdateRolePermission:
    """Change one rule of a role, or the order of all."""

    role_id: Annotated[UUID, "the role", Names("role", right="operate")]
    rule_id: Annotated[UUID | None, "the rule", Free("found among the role's own rules")] = None
    permission: Annotated[str | None, "allow or deny", PERMISSION] = None
    rule_order: Annotated[
        tuple[UUID, ...] | None, "every rule, in order", Free("found among the role's own rules")
    ] = None

    async def run(self, caller: Caller) -> None:
        row = caller.cloud[roles][self.role_id]
        rules = {_rule_id(row, rule): (rule, yes) for rule, yes in row.rules}
        if self.rule_order is not None:
            if set(self.rule_order) != set(rules) or len(self.rule_order) != len(rules):
                raise InvalidValue("ruleorder must name every rule of the role once")
            rules = {one: rules[one] for one in self.rule_order}
        elif self.rule_id in rules and self.permission is not None:
            rules[self.rule_id] = (rules[self.rule_id][0], self.permission == "allow")
        else:
            raise ParamError("give ruleorder, or ruleid of a rule of this role and permission")
        await _change(caller, row, list(rules.values()))


@command("deleteRolePermission", returns=Success, allow="A", action="ROLE.PERMISSION.DELETE")
class DeleteRolePermission:
    """Take a rule out of its role."""

    id: Annotated[UUID, "the rule", Free("found among the rules of all roles, by an administrator")]

    async def run(self, caller: Caller) -> None:
        for row in caller.cloud[roles]:
            kept = [one for one in row.rules if _rule_id(row, one[0]) != self.id]
            if len(kept) != len(row.rules):
                await _change(caller, row, kept)
                return
        raise InvalidValue(f"no role has a rule {self.id}")


def rules_of(row: Role) -> list[tuple[str, bool]]:
    """The rules of a role; a built-in one may call what is declared for its type."""
    if not row.is_default:
        return list(row.rules)
    letter = LETTERS[row.role_type]
    return [(spec.name, True) for spec in REGISTRY.values() if letter in spec.allow]


async def _made(
    caller: Caller,
    ask: CreateRole | ImportRole,
    role_type: str,
    rules: list[tuple[str, bool]],
    notes: dict[str, str],
) -> Role:
    fields = {
        "name": ask.name,
        "role_type": role_type,
        "description": ask.description or "",
        "is_public": ask.is_public is not False,
        "rules": rules,
        "notes": notes,
    }
    row_id = chosen_id(None, caller)
    await caller.decide(CreateRecord(kind="role", id=row_id, fields=fields))
    return caller.cloud[roles][row_id]


async def _change(
    caller: Caller,
    row: Role,
    rules: list[tuple[str, bool]],
    told: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Give a role other rules, none of which allows what the caller may not do itself."""
    outranks(caller, row.role_type, tuple(rules))
    kept = {rule: row.notes[rule] for rule, _ in rules if rule in row.notes}
    await caller.decide(ChangeRole(role_id=row.id, rules=rules, notes=kept | dict(told)))


def _rule_id(row: Role, rule: str) -> UUID:
    """A rule is known by its role and its pattern."""
    return uuid5(row.id, rule)


def _shown(row: Role, rule: str, yes: bool) -> RolePermissionView:
    return RolePermissionView(
        id=_rule_id(row, rule),
        role_id=row.id,
        role_name=row.name,
        rule=rule,
        permission="allow" if yes else "deny",
        description=row.notes.get(rule),
    )
