"""Projects over the wire: shared things, members who come and go, and what each may do there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from cs import CloudStackException

from tests.tenant.test_networks import share
from tests.tenant.test_refusals import gone, refusal
from tests.tenant.world import SMALL, SMALL_DISK, TEMPLATE, ZONE, Client, Place, named


@dataclass
class Team:
    """Ann's project, and cat, who lives in ann's domain."""

    here: Place
    id: str
    cat: Client

    async def volume(self, who: Client, name: str = "shared") -> Any:
        ask = {"zoneid": str(ZONE), "diskofferingid": SMALL_DISK, "projectid": self.id}
        return (await who.job("createVolume", name=name, **ask))["volume"]


async def neighbour(here: Place, name: str, role: str = "User") -> Client:
    """Another account in ann's domain."""
    api = here.admin
    role_id = next(r["id"] for r in (await api("listRoles"))["role"] if r["name"] == role)
    made = await api(
        "createAccount", username=name, password="a password", email="m@example.org",
        firstname=name, lastname="x", domainid=str(named("domain ann")), roleid=role_id,
    )  # fmt: skip
    keys = await api("registerUserKeys", id=made["account"]["user"][0]["id"])
    return Client(api.endpoint, keys["userkeys"]["apikey"], keys["userkeys"]["secretkey"])


@pytest.fixture
async def team(here: Place) -> AsyncIterator[Team]:
    cat = await neighbour(here, "cat")
    made = await here.ann("createProject", name="team", displaytext="Team", fetch_result=True)
    yield Team(here, made["project"]["id"], cat)


async def test_what_a_project_has_is_its_members(team: Team) -> None:
    ann, cat = team.here.ann, team.cat
    volume = await team.volume(ann)
    assert (volume["project"], volume["projectid"]) == ("team", team.id)
    assert "account" not in volume
    assert await ann("listVolumes") == {}, "not without projectid"
    assert (await ann.one("listVolumes", "volume", projectid=team.id))["id"] == volume["id"]
    assert (await ann.one("listVolumes", "volume", projectid="-1"))["id"] == volume["id"]
    for other in (cat, team.here.bob):
        told = await refusal(other, "listVolumes", projectid=team.id)
        assert gone(told, "projectid", team.id)
        told = await refusal(other, "deleteVolume", id=volume["id"])
        assert gone(told, "id", volume["id"])


async def test_events_of_a_project_are_those_of_what_it_has(team: Team) -> None:
    ann, cat = team.here.ann, team.cat
    await ann("addAccountToProject", projectid=team.id, account="cat", fetch_result=True)
    volume = await team.volume(cat)
    own = {"zoneid": str(ZONE), "diskofferingid": SMALL_DISK}
    await ann.job("createVolume", name="own", **own)
    for who, asked in ((ann, team.id), (cat, "-1"), (team.here.admin, team.id)):
        found = (await who("listEvents", projectid=asked, type="VOLUME.CREATE"))["event"]
        assert {one["resourceid"] for one in found} == {volume["id"]}
    assert await ann("listEvents", projectid=team.id, type="PROJECT.CREATE") != {}
    key = await ann("createSSHKeyPair", name="k")
    await ann("deleteSSHKeyPair", name="k")
    everything = (await ann("listEvents", projectid="-1", listall="true"))["event"]
    assert {volume["id"], key["keypair"]["id"]} <= {one.get("resourceid") for one in everything}
    told = await refusal(team.here.bob, "listEvents", projectid=team.id)
    assert gone(told, "projectid", team.id)


async def test_a_network_that_is_shared_for_a_project_is_its_members(team: Team) -> None:
    made = await share(team.here, projectid=team.id)
    assert made["acltype"] == "Account"
    found = await team.here.ann.one("listNetworks", "network", projectid=team.id)
    assert found["id"] == made["id"]
    assert await team.cat("listNetworks") == {}


async def test_a_name_cannot_be_emptied(team: Team) -> None:
    for name in ("", " "):
        kept = await team.here.ann.job("updateProject", id=team.id, name=name, displaytext="")
        assert (kept["project"]["name"], kept["project"]["displaytext"]) == ("team", "")
    owner = str((await team.here.ann.one("listUsers", "user"))["id"])
    kept = await team.here.ann("updateUser", id=owner, username="", timezone="UTC")
    assert kept["user"]["username"] == "ann"
    assert await team.here.ann("listProjects", name="") == {}


async def test_a_member_comes_and_goes(team: Team) -> None:
    ann, cat = team.here.ann, team.cat
    volume = await team.volume(ann)
    await ann.job("addAccountToProject", projectid=team.id, account="cat")
    assert (await cat.one("listProjects", "project"))["id"] == team.id
    assert (await cat.one("listVolumes", "volume", projectid=team.id))["id"] == volume["id"]
    members = (await ann("listProjectAccounts", projectid=team.id))["projectaccount"]
    assert {(one["account"], one["role"]) for one in members} == {
        ("ann", "Admin"),
        ("cat", "Regular"),
    }
    told = await refusal(ann, "addAccountToProject", projectid=team.id, account="cat")
    assert "is a member" in told["errortext"]
    await ann.job("deleteAccountFromProject", projectid=team.id, account="cat")
    assert await cat("listProjects") == {}
    for command, param, value in (
        ("listVolumes", "projectid", team.id),
        ("deleteVolume", "id", volume["id"]),
        ("listProjectAccounts", "projectid", team.id),
        ("deleteProject", "id", team.id),
    ):
        assert gone(await refusal(cat, command, **{param: value}), param, value), command


async def test_a_regular_member_does_not_run_the_project(team: Team) -> None:
    ann, cat = team.here.ann, team.cat
    await ann.job("addAccountToProject", projectid=team.id, account="cat")
    for command, params in (
        ("updateProject", {"id": team.id, "name": "mine"}),
        ("updateProject", {"id": team.id, "account": "cat"}),
        ("deleteProject", {"id": team.id}),
        ("suspendProject", {"id": team.id}),
        ("addAccountToProject", {"projectid": team.id, "account": "cat"}),
        ("addUserToProject", {"projectid": team.id, "username": "cat"}),
        ("deleteAccountFromProject", {"projectid": team.id, "account": "ann"}),
        ("createProjectRole", {"projectid": team.id, "name": "r"}),
    ):
        told = await refusal(cat, command, **params)
        assert told["errorcode"] == 531, (command, told)
    await cat.job("deleteAccountFromProject", projectid=team.id, account="cat")


async def test_there_is_always_an_owner(team: Team) -> None:
    ann, cat = team.here.ann, team.cat
    told = await refusal(ann, "deleteAccountFromProject", projectid=team.id, account="ann")
    assert "only owner" in told["errortext"]
    told = await refusal(ann, "updateProject", id=team.id, account="cat")
    assert "add it first" in told["errortext"]
    await ann.job("addAccountToProject", projectid=team.id, account="cat")
    moved = (await ann.job("updateProject", id=team.id, account="cat"))["project"]
    assert [one["account"] for one in moved["owner"]] == ["cat"]
    assert (await refusal(ann, "deleteProject", id=team.id))["errorcode"] == 531
    await cat.job("updateProject", id=team.id, account="ann", swapowner=False, roletype="Admin")
    both = await cat.one("listProjects", "project", id=team.id)
    assert {one["account"] for one in both["owner"]} == {"ann", "cat"}


async def test_a_project_role_narrows_its_members(team: Team) -> None:
    ann, cat = team.here.ann, team.cat
    volume = await team.volume(ann)
    role = (await ann("createProjectRole", projectid=team.id, name="watcher"))["projectrole"]
    rule = {"projectid": team.id, "projectroleid": role["id"]}
    await ann("createProjectRolePermission", rule="list*", permission="allow", **rule)
    await ann("createProjectRolePermission", rule="*", permission="deny", **rule)
    shown = (await ann("listProjectRolePermissions", **rule))["projectrolepermission"]
    assert [(one["rule"], one["permission"]) for one in shown] == [
        ("list*", "allow"),
        ("*", "deny"),
    ]
    await ann.job("addAccountToProject", projectid=team.id, account="cat", projectroleid=role["id"])
    assert (await cat.one("listVolumes", "volume", projectid=team.id))["id"] == volume["id"]
    assert gone(await refusal(cat, "deleteVolume", id=volume["id"]), "id", volume["id"])
    told = await refusal(
        cat, "createVolume", name="n", zoneid=str(ZONE), diskofferingid=SMALL_DISK,
        projectid=team.id,
    )  # fmt: skip
    assert "the project role watcher denies it" in told["errortext"]
    own = await cat.job("createVolume", name="own", zoneid=str(ZONE), diskofferingid=SMALL_DISK)
    assert own["volume"]["account"] == "cat", "outside of the project nothing is narrowed"
    told = await refusal(ann, "deleteProjectRole", id=role["id"], projectid=team.id)
    assert "is a member's" in told["errortext"]


async def test_one_user_alone_may_be_a_member(team: Team) -> None:
    ann, cat, here = team.here.ann, team.cat, team.here
    user = (await cat.one("listUsers", "user"))["id"]
    other = await here.admin(
        "createUser", account="cat", domainid=str(named("domain ann")), username="kit",
        password="a password", email="k@example.org", firstname="k", lastname="k",
    )  # fmt: skip
    keys = (await here.admin("registerUserKeys", id=other["user"]["id"]))["userkeys"]
    kit = Client(here.admin.endpoint, keys["apikey"], keys["secretkey"])
    await ann.job("addUserToProject", projectid=team.id, username="kit")
    assert (await kit.one("listProjects", "project"))["id"] == team.id
    assert await cat("listProjects") == {}, "the rest of the account is no member"
    await ann.job("deleteUserFromProject", projectid=team.id, userid=other["user"]["id"])
    assert await kit("listProjects") == {}
    assert user != other["user"]["id"]


async def test_who_is_invited_decides(team: Team) -> None:
    ann, cat = team.here.ann, team.cat
    await team.here.admin("updateConfiguration", name="project.invite.required", value="true")
    await ann.job("addAccountToProject", projectid=team.id, account="cat")
    assert await cat("listProjects") == {}
    invitation = await cat.one("listProjectInvitations", "projectinvitation")
    assert (invitation["state"], invitation["project"]) == ("Pending", "team")
    assert gone(
        await refusal(team.here.bob, "updateProjectInvitation", projectid=team.id),
        "projectid",
        team.id,
    )
    assert gone(
        await refusal(cat, "deleteProjectInvitation", id=invitation["id"]), "id", invitation["id"]
    )
    await cat.job("updateProjectInvitation", projectid=team.id, accept=False)
    assert await cat("listProjects") == {}
    await ann.job("addAccountToProject", projectid=team.id, account="cat")
    await cat.job("updateProjectInvitation", projectid=team.id, accept=True)
    assert (await cat.one("listProjects", "project"))["id"] == team.id
    assert gone(
        await refusal(cat, "updateProjectInvitation", projectid=team.id), "projectid", team.id
    )


async def test_a_suspended_project_stops_and_gets_nothing(team: Team) -> None:
    ann = team.here.ann
    deploy = {"zoneid": str(ZONE), "templateid": TEMPLATE, "serviceofferingid": SMALL}
    vm = await ann.job("deployVirtualMachine", projectid=team.id, **deploy)
    assert vm["virtualmachine"]["state"] == "Running"
    done = await ann.job("suspendProject", id=team.id)
    assert done["project"]["state"] == "Suspended"
    stopped = await ann.one("listVirtualMachines", "virtualmachine", projectid=team.id)
    assert stopped["state"] == "Stopped"
    told = await refusal(ann, "deployVirtualMachine", projectid=team.id, **deploy)
    assert "suspended" in told["errortext"]
    told = await refusal(ann, "startVirtualMachine", id=stopped["id"])
    assert "suspended" in told["errortext"]
    await ann.job("activateProject", id=team.id)
    await ann.job("startVirtualMachine", id=stopped["id"])


async def test_a_project_goes_with_cleanup_only(team: Team) -> None:
    ann = team.here.ann
    await team.volume(ann)
    told = await refusal(ann, "deleteProject", id=team.id)
    assert "owns a volume" in told["errortext"]
    await ann.job("deleteProject", id=team.id, cleanup=True)
    assert await ann("listProjects") == {}
    cloud = team.here.controller.cloud
    assert not list(cloud.table("project")) and not list(cloud.table("project_member"))
    assert not [row for row in cloud.table("account") if row.role_type == "Project"]
    assert not list(cloud.table("volume"))


async def test_an_account_that_owns_a_project_alone_is_not_deleted(team: Team) -> None:
    here = team.here
    await team.volume(here.ann)
    told = await refusal(here.admin, "deleteAccount", id=here.account("ann"))
    assert "only owner of project" in told["errortext"]
    cloud = here.controller.cloud
    assert cloud.table("account").get(UUID(here.account("ann"))).state == "enabled"
    assert list(cloud.table("volume"))
    await here.ann.job("deleteProject", id=team.id, cleanup=True)
    await here.admin.job("deleteAccount", id=here.account("ann"))
    assert not list(cloud.table("project")) and not list(cloud.table("volume"))


async def test_a_projects_account_is_nobodys_to_use(team: Team) -> None:
    here = team.here
    account = next(r for r in here.controller.cloud.table("account") if r.role_type == "Project")
    for command, params in (
        ("deleteAccount", {"id": str(account.id)}),
        ("enableAccount", {"id": str(account.id)}),
        ("updateAccount", {"id": str(account.id), "newname": "x"}),
    ):
        assert "is a project's" in (await refusal(here.admin, command, **params))["errortext"]
    told = await refusal(
        here.admin, "createUser", account=account.name, domainid=str(account.domain_id),
        username="u", password="p", email="e", firstname="f", lastname="l",
    )  # fmt: skip
    assert "Unable to find account" in told["errortext"]
    accounts = (await here.admin("listAccounts", listall=True))["account"]
    assert account.name not in {one["name"] for one in accounts}


async def test_a_project_is_not_anothers_to_own(team: Team) -> None:
    """Neither can a user found a project for somebody else, nor pull in who lives elsewhere."""
    bob, ann = team.here.bob, team.here.ann
    told = await refusal(bob, "createProject", name="p", accountid=team.here.account("ann"))
    assert told["errorcode"] == 431
    told = await refusal(bob, "createProject", name="p", userid=str(named("user ann")))
    assert told["errorcode"] == 431
    told = await refusal(ann, "addAccountToProject", projectid=team.id, account="bob")
    assert "Unable to find account bob" in told["errortext"]


async def test_of_two_owners_that_leave_at_a_moment_one_stays(team: Team) -> None:
    ann, cat = team.here.ann, team.cat
    await ann.job("addAccountToProject", projectid=team.id, account="cat", roletype="Admin")
    left = await asyncio.gather(
        ann.job("deleteAccountFromProject", projectid=team.id, account="ann"),
        cat.job("deleteAccountFromProject", projectid=team.id, account="cat"),
        return_exceptions=True,
    )
    assert sum(isinstance(one, CloudStackException) for one in left) == 1
    owners = [m for m in team.here.controller.cloud.table("project_member") if m.role == "Admin"]
    assert len(owners) == 1
