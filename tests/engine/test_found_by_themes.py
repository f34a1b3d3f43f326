"""What seeds of the simulation that like one theme have found, each told alone: who may, who pays,
who is told, and what lies in more than one zone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aggregates.errors import NotFound
from benchmarks.cloud import BY, Bed, engine_in, furnish, named
from drivers.sim import SimDriver, SimWorld
from engine.genesis import ROOT_DOMAIN
from engine.intents.account import DeleteAccount
from engine.intents.project import (
    AnswerInvitation,
    CreateProject,
    DeleteProjectRole,
    Invite,
)
from engine.intents.record import CreateRecord
from engine.intents.security_group import AuthorizeTraffic
from engine.intents.user import MoveUser
from projections.project_invitation import project_invitations
from projections.security_group import security_group_rules, security_groups
from tests.sagas.judge import judge
from tests.sim.place import complete
from tests.sim.references import nothing_dangles

ONE, OTHER, THIRD = (
    {"account_id": named(f"tenant {number}"), "domain_id": ROOT_DOMAIN} for number in range(3)
)
NEVER_MS = 10**15


@pytest.fixture
async def sim() -> SimDriver:
    return SimDriver(SimWorld())


@pytest.fixture
async def bed(tmp_path: Path, sim: SimDriver) -> AsyncIterator[Bed]:
    """The zones of the simulation, in peace; the judges look at them afterwards."""
    async with engine_in(tmp_path, sim) as made:
        await furnish(made.engine, host_count=3)
        await complete(made.engine, tmp_path)
        yield made
        cloud = made.engine.cloud
        rig: Any = SimpleNamespace(cloud=cloud, sim=sim, history=made.history)
        await judge(rig)
        nothing_dangles(cloud)


async def make(bed: Bed, kind: str, called: str, **fields: Any) -> None:
    ask = CreateRecord(kind=kind, id=named(called), fields=fields)
    await bed.engine.decide(ask, BY)


async def project(bed: Bed) -> None:
    ask = CreateProject(
        project_id=named("project"), project_account_id=named("its account"),
        member_id=named("its owner"), name="p", display_text="p", domain_id=ROOT_DOMAIN,
        owner_id=ONE["account_id"],
    )  # fmt: skip
    await bed.engine.decide(ask, BY)


async def test_an_account_ends_whose_security_group_others_let_in(bed: Bed) -> None:
    """Their rules go: there are no guests any more that they would let in."""
    await make(bed, "security_group", "mine", name="mine", **ONE)
    await make(bed, "security_group", "theirs", name="theirs", **OTHER)
    fields = {"protocol": "tcp", "start_port": 22, "end_port": 22, "is_egress": False}
    lets = AuthorizeTraffic(
        security_group_id=named("theirs"), batch=named("batch"), fields=fields,
        cidrs=["10.0.0.0/8"], peer_group_ids=[named("mine")],
    )  # fmt: skip
    await bed.engine.decide(lets, BY)
    await bed.engine.perform(DeleteAccount(account_id=ONE["account_id"]), BY)
    assert named("theirs") in bed.engine.cloud[security_groups]
    (left,) = bed.engine.cloud[security_group_rules]
    assert left.cidr == "10.0.0.0/8"


async def test_nobody_joins_a_project_by_a_role_that_is_gone(bed: Bed) -> None:
    """The role would have narrowed what they may."""
    await project(bed)
    role = {"project_id": named("project"), "project_account_id": named("its account")}
    await make(bed, "project_role", "role", name="reader", domain_id=ROOT_DOMAIN, **role)
    invites = Invite(
        id=named("invitation"), project_id=named("project"), project_role_id=named("role"),
        expires_at_ms=NEVER_MS, **OTHER,
    )  # fmt: skip
    await bed.engine.decide(invites, BY)
    await bed.engine.decide(DeleteProjectRole(role_id=named("role")), BY)
    accepts = AnswerInvitation(
        id=named("invitation"), member_id=named("member"), accept=True, now_ms=0
    )
    with pytest.raises(NotFound, match="project invitation"):
        await bed.engine.decide(accepts, BY)


async def test_a_user_that_moves_is_invited_no_more_for_the_account_that_it_left(bed: Bed) -> None:
    await project(bed)
    await make(bed, "user", "user", name="u", password_ref=str(named("password")), **OTHER)
    invites = Invite(
        id=named("invitation"), project_id=named("project"), user_id=named("user"),
        expires_at_ms=NEVER_MS, **OTHER,
    )  # fmt: skip
    await bed.engine.decide(invites, BY)
    await bed.engine.decide(MoveUser(user_id=named("user"), account_id=THIRD["account_id"]), BY)
    assert named("invitation") not in bed.engine.cloud[project_invitations]
