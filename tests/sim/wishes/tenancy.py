"""Domains, accounts, projects, limits and tags: who has what, and what becomes of it later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.genesis import ROOT_DOMAIN, stable_id
from engine.intents.account import DeleteAccount, SetAccountState
from engine.intents.attached import SetDetails
from engine.intents.dedication import Dedicate, Release
from engine.intents.domain import DeleteDomain, MoveDomain, RenameDomain
from engine.intents.project import (
    ActivateProject,
    AddMember,
    CreateProject,
    DeleteProject,
    RemoveMember,
    SuspendProject,
)
from engine.intents.record import CreateRecord
from engine.intents.resource_limit import SetLimit
from engine.intents.tag import PutTags, TakeTags
from projections.account import accounts
from projections.dedication import dedications
from projections.domain import domains
from projections.host import hosts
from projections.project import projects
from projections.project_member import project_members
from projections.tag import tags
from tests.sim.place import account
from tests.sim.wishes import wish

if TYPE_CHECKING:
    from tests.sim.tenants import Tenants

ACCOUNTS_MAX = 8
DOMAINS_MAX = 6
TAGGED = ("vm", "volume", "snapshot", "network", "public_ip_address", "vpc", "vm_snapshot")
LIMITED = {"user_vm": 6, "volume": 12, "public_ip": 4, "snapshot": 6, "network": 3, "memory": 4096}


@wish(2, always=True)
def create_account(who: Tenants) -> object | None:
    if len(who.cloud[accounts]) >= ACCOUNTS_MAX:
        return None
    where = who.one(domains)
    assert where is not None
    fields = account(who.name("account")) | {"domain_id": where.id}
    return CreateRecord(kind="account", id=who.new_id(), fields=fields)


@wish(1)
def create_domain(who: Tenants) -> object | None:
    parent = who.one(domains, lambda one: one.state == "Active")
    if parent is None or len(who.cloud[domains]) >= DOMAINS_MAX:
        return None
    name = who.name("domain")
    fields = {"name": name, "path": f"{parent.path.rstrip('/')}/{name}", "parent_id": parent.id}
    return CreateRecord(kind="domain", id=who.new_id(), fields=fields | {"level": parent.level + 1})


@wish(1)
def rename_domain(who: Tenants) -> object | None:
    domain = who.one(domains, lambda one: one.id != ROOT_DOMAIN)
    return domain and RenameDomain(domain_id=domain.id, name=who.name("renamed"))


@wish(1)
def move_domain(who: Tenants) -> object | None:
    domain, parent = who.one(domains, lambda one: one.id != ROOT_DOMAIN), who.one(domains)
    return domain and parent and MoveDomain(domain_id=domain.id, parent_id=parent.id)


@wish(1)
def delete_domain(who: Tenants) -> object | None:
    domain = who.one(domains, lambda one: one.id != ROOT_DOMAIN)
    return domain and DeleteDomain(domain_id=domain.id, cleanup=who.rarely(0.7))


@wish(1, operator=True)
def dedicate(who: Tenants) -> object | None:
    host, owner = who.one(hosts), who.owner()
    if who.rarely(0.5):
        owner.pop("account_id")
    return host and Dedicate(id=who.new_id(), place="host_id", place_id=host.id, **owner)


@wish(2, operator=True)
def release(who: Tenants) -> object | None:
    kept = who.one(dedications, lambda one: one.host_id is not None)
    return kept and Release(place="host_id", place_id=kept.host_id)


@wish(1)
def delete_account(who: Tenants) -> object | None:
    """With all that it owns."""
    row = who.one(accounts, lambda one: one.name not in ("system", "admin"))
    return row and DeleteAccount(account_id=row.id)


@wish(1)
def set_account_state(who: Tenants) -> object | None:
    row = who.one(accounts, lambda one: one.name not in ("system", "admin"))
    return row and SetAccountState(account_id=row.id, state=who.pick("enabled", "disabled"))


@wish(2)
def enable_account(who: Tenants) -> object | None:
    row = who.one(accounts, lambda one: one.state != "enabled")
    return row and SetAccountState(account_id=row.id, state="enabled")


@wish(1)
def create_project(who: Tenants) -> object | None:
    if len(who.cloud[accounts]) >= ACCOUNTS_MAX:
        return None
    name, owner = who.name("project"), who.owner()
    return CreateProject(
        project_id=who.new_id(), project_account_id=who.new_id(), member_id=who.new_id(),
        name=name, display_text=name, domain_id=owner["domain_id"], owner_id=owner["account_id"],
    )  # fmt: skip


@wish(1)
def suspend_project(who: Tenants) -> object | None:
    project = who.one(projects)
    return project and SuspendProject(project_id=project.id)


@wish(1)
def activate_project(who: Tenants) -> object | None:
    project = who.one(projects)
    return project and ActivateProject(project_id=project.id)


@wish(1)
def delete_project(who: Tenants) -> object | None:
    project = who.one(projects)
    return project and DeleteProject(project_id=project.id, cleanup=who.rarely(0.7))


@wish(1)
def add_member(who: Tenants) -> object | None:
    project, other = who.one(projects), who.owner()["account_id"]
    return project and AddMember(
        member_id=who.new_id(), project_id=project.id, account_id=other,
        role=who.pick("Regular", "Admin"),
    )  # fmt: skip


@wish(1)
def remove_member(who: Tenants) -> object | None:
    member = who.one(project_members)
    return member and RemoveMember(member_id=member.id)


@wish(1)
def set_limit(who: Tenants) -> object | None:
    row = who.one(accounts, lambda one: one.role_type != "Admin")
    resource = who.pick(*LIMITED)
    maximum = who.pick(-1, LIMITED[resource])
    return row and SetLimit(
        id=who.new_id(), owner_kind="account", owner_id=row.id, resource=resource, maximum=maximum
    )


@wish(3)
def put_tags(who: Tenants) -> object | None:
    kind = who.pick(*TAGGED)
    rows = list(who.cloud.table(kind))
    return (
        PutTags(
            kind=kind, things=(who.pick(*rows).id,), tags={who.pick("a", "b", "c"): "1"},
            seed=who.new_id(), account_id=stable_id("account", "admin"), domain_id=ROOT_DOMAIN,
        )
        if rows
        else None
    )  # fmt: skip


@wish(1)
def take_tags(who: Tenants) -> object | None:
    tag = who.one(tags)
    return tag and TakeTags(kind=tag.kind, things=(tag.resource_id,))


@wish(1)
def set_details(who: Tenants) -> object | None:
    kind = who.pick("vm", "volume")
    rows = list(who.cloud.table(kind))
    thing = who.pick(*rows).id if rows else None
    return thing and SetDetails(
        kind=kind, thing_id=thing, details={"note": "x"}, is_displayed=True, seed=who.new_id()
    )
