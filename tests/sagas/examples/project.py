"""Examples of the sagas of projects."""

from __future__ import annotations

from msgspec.structs import replace

from engine.genesis import stable_id
from engine.intents.project import AddMember, CreateProject, DeleteProject, SuspendProject
from engine.intents.record import CreateRecord
from engine.intents.volume import CreateVolume
from tests.sagas.rig import Rig
from tests.sagas.seed import ACCOUNT, DOMAIN, GIB, ZONE, deploy, named


async def project(rig: Rig) -> None:
    """A project with a running guest and a loose volume, and a second owner."""
    role = {"name": "User", "role_type": "User"}
    users = CreateRecord(kind="role", id=stable_id("role", "User"), fields=role)
    await rig.engine.decide(users, rig.by)
    ask = CreateProject(
        project_id=named("project"),
        project_account_id=named("project account"),
        member_id=named("first member"),
        name="team",
        display_text="team",
        domain_id=DOMAIN,
        owner_id=ACCOUNT,
    )
    await rig.engine.decide(ask, rig.by)
    other = {"name": "b", "domain_id": DOMAIN, "role_id": stable_id("role", "User")}
    account = CreateRecord(kind="account", id=named("b"), fields=other | {"role_type": "User"})
    await rig.engine.decide(account, rig.by)
    second = AddMember(
        member_id=named("second member"),
        project_id=named("project"),
        account_id=named("b"),
        role="Admin",
    )
    await rig.engine.decide(second, rig.by)
    mine = {"account_id": named("project account"), "domain_id": DOMAIN}
    await rig.run(replace(deploy("shared"), **mine))
    loose = CreateVolume(
        volume_id=named("shared loose"), zone_id=ZONE, name="loose", size_bytes=GIB, **mine
    )
    await rig.engine.decide(loose, rig.by)


async def _suspend(rig: Rig) -> object:
    await project(rig)
    return SuspendProject(project_id=named("project"))


async def _delete(rig: Rig) -> object:
    await project(rig)
    return DeleteProject(project_id=named("project"), cleanup=True)


EXAMPLES = {"project.suspend:1": _suspend, "project.delete:1": _delete}
