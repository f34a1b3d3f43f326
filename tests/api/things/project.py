"""A project with ann as its owner, a role of it, and an invitation that she has."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from engine.intents import SYSTEM
from engine.intents.project import Invite
from tests.tenant.world import named

if TYPE_CHECKING:
    from tests.api.everybody import House


async def furnish(here: House) -> None:
    made = await here.make("ann", "createProject", name="team", displaytext="a team")
    await here.make("ann", "createProjectRole", name="watcher", projectid=made["id"])
    boss = await here.make("boss of ann", "createProject", name="board")
    asked = Invite(
        id=named("invitation"),
        project_id=UUID(boss["id"]),
        account_id=named("account ann"),
        domain_id=named("domain ann"),
        expires_at_ms=2**52,
    )
    await here.controller.engine.decide(asked, SYSTEM)
