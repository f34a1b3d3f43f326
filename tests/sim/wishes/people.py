"""Users and their keys, who is invited into projects and as what, and what guests are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aggregates.vm import VmState
from engine.intents.project import (
    AnswerInvitation,
    DeleteProjectRole,
    Invite,
    SetMemberRole,
    UpdateProject,
)
from engine.intents.record import CreateRecord, RemoveRecord, UpdateRecord
from engine.intents.template import LinkUserData
from engine.intents.user import ChangeUser, DeleteKey, DeleteUser, MoveUser, RekeyUser
from engine.intents.vm import SetKeys, SetUserData
from engine.people import KEPT
from projections.account import accounts
from projections.api_key import api_keys
from projections.iso import isos
from projections.project import projects
from projections.project_invitation import project_invitations
from projections.project_member import project_members
from projections.project_role import project_roles
from projections.ssh_key_pair import ssh_key_pairs
from projections.template import templates
from projections.user import users
from projections.user_data import user_datas
from projections.vm import vms
from tests.sim.wishes import wish

if TYPE_CHECKING:
    from tests.sim.tenants import Tenants

USERS_MAX = 12
ROLES = ("Regular", "Admin")


@wish(2)
def create_user(who: Tenants) -> object | None:
    if len(who.cloud[users]) >= USERS_MAX:
        return None
    fields = {"name": who.name("user"), "password_ref": str(who.new_id()), **who.owner()}
    return CreateRecord(kind="user", id=who.new_id(), fields=fields)


@wish(1)
def change_user(who: Tenants) -> object | None:
    user = who.one(users)
    fields: dict[str, Any] = who.pick(
        {"state": "disabled"}, {"state": "enabled"}, {"password_ref": str(who.new_id())}
    )
    return user and ChangeUser(user_id=user.id, fields=fields)


@wish(1)
def rekey_user(who: Tenants) -> object | None:
    user = who.one(users)
    return user and RekeyUser(
        user_id=user.id, key_id=who.new_id(), key=who.name("key"), secret_ref=str(who.new_id())
    )


@wish(1)
def delete_key(who: Tenants) -> object | None:
    key = who.one(api_keys)
    return key and DeleteKey(key_id=key.id)


@wish(2)
def move_user(who: Tenants) -> object | None:
    """To another account of its domain."""
    user = who.one(users, lambda one: one.id not in KEPT)
    other = user and who.one(accounts, lambda one: one.domain_id == user.domain_id)
    return user and other and MoveUser(user_id=user.id, account_id=other.id)


@wish(1)
def delete_user(who: Tenants) -> object | None:
    user = who.one(users)
    return user and DeleteUser(user_id=user.id)


# ---- projects --------------------------------------------------------------------------------


def _somebody(who: Tenants) -> dict[str, Any] | None:
    """An account, or a user of one."""
    user = who.one(users)
    if user is None or who.rarely(0.3):
        return {"account_id": who.owner()["account_id"], "user_id": None}
    return {"account_id": user.account_id, "user_id": user.id}


@wish(2)
def create_project_role(who: Tenants) -> object | None:
    project = who.one(projects)
    fields = project and {
        "project_id": project.id, "project_account_id": project.account_id,
        "domain_id": project.domain_id, "name": who.pick("reader", "writer"),
    }  # fmt: skip
    return fields and CreateRecord(kind="project_role", id=who.new_id(), fields=fields)


@wish(1)
def delete_project_role(who: Tenants) -> object | None:
    role = who.one(project_roles)
    return role and DeleteProjectRole(role_id=role.id)


@wish(4)
def invite(who: Tenants) -> object | None:
    project, other = who.one(projects), _somebody(who)
    if project is None or other is None:
        return None
    role = who.one(project_roles, lambda one: one.project_id == project.id)
    return Invite(
        id=who.new_id(), project_id=project.id, domain_id=project.domain_id, role=who.pick(*ROLES),
        project_role_id=role.id if role and who.rarely(0.7) else None,
        expires_at_ms=who.now_ms() + who.pick(5_000, 600_000), **other,
    )  # fmt: skip


@wish(4)
def answer_invitation(who: Tenants) -> object | None:
    asked = who.one(project_invitations, lambda one: one.state == "Pending")
    return asked and AnswerInvitation(
        id=asked.id, member_id=who.new_id(), accept=who.rarely(0.8), now_ms=who.now_ms()
    )


@wish(2)
def set_member_role(who: Tenants) -> object | None:
    member = who.one(project_members)
    return member and SetMemberRole(
        project_id=member.project_id, member_id=member.id, role=who.pick(*ROLES),
        swap=who.rarely(0.3),
    )  # fmt: skip


@wish(1)
def update_project(who: Tenants) -> object | None:
    project = who.one(projects)
    return project and UpdateProject(project_id=project.id, fields={"name": who.name("called")})


# ---- what guests are told --------------------------------------------------------------------


@wish(2)
def register_user_data(who: Tenants) -> object | None:
    fields = {"name": who.pick("a", "b"), "content": "I2Nsb3VkLWNvbmZpZw==", **who.owner()}
    return CreateRecord(kind="user_data", id=who.new_id(), fields=fields)


@wish(1)
def delete_user_data(who: Tenants) -> object | None:
    told = who.one(user_datas)
    return told and RemoveRecord(kind="user_data", id=told.id)


@wish(2)
def set_user_data(who: Tenants) -> object | None:
    vm = who.one(vms)
    told = vm and who.one(user_datas, of=vm)
    if vm is None or (told is None and who.rarely(0.5)):
        return None
    content = told.content if told else "eA=="
    return SetUserData(
        vm_id=vm.id, user_data=content, user_data_id=told.id if told else None,
        stopped=who.rarely(0.3),
    )  # fmt: skip


@wish(1)
def link_user_data(who: Tenants) -> object | None:
    is_iso = who.rarely(0.5)
    image = who.one(isos if is_iso else templates)
    told = image and who.one(user_datas, of=image)
    return image and LinkUserData(
        image_id=image.id, is_iso=is_iso, user_data_id=told and told.id,
        user_data_policy="ALLOWOVERRIDE",
    )  # fmt: skip


@wish(1)
def register_ssh_key_pair(who: Tenants) -> object | None:
    fields = {
        "name": who.pick("laptop", "desk"), "public_key": "ssh-ed25519 AAAA", "fingerprint": "aa",
        **who.owner(),
    }  # fmt: skip
    return CreateRecord(kind="ssh_key_pair", id=who.new_id(), fields=fields)


@wish(1)
def delete_ssh_key_pair(who: Tenants) -> object | None:
    pair = who.one(ssh_key_pairs)
    return pair and RemoveRecord(kind="ssh_key_pair", id=pair.id)


@wish(1)
def set_keys(who: Tenants) -> object | None:
    vm = who.vm(VmState.STOPPED)
    return vm and SetKeys(vm_id=vm.id, key_pairs=["laptop"], public_keys=("ssh-ed25519 AAAA",))


@wish(1)
def rename_user(who: Tenants) -> object | None:
    user = who.one(users)
    return user and UpdateRecord(kind="user", id=user.id, fields={"first_name": who.name("first")})
