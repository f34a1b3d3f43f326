"""An account that has one of everything goes, with all of it; and so does its whole domain."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

import pytest

from aggregates.saga import RunState
from engine.endings import kept_in, owned
from tests.api.everybody import House, house
from tests.tenant.world import named

pytestmark = pytest.mark.timeout(120)


async def ended(here: House, job_id: str) -> tuple[RunState, str]:
    """How a job ended, and what it says."""
    async with asyncio.timeout(60):
        run = await here.controller.engine.runner.wait(UUID(job_id))
    return run.state, run.error_text


async def test_an_account_with_one_of_everything(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        ann = named("account ann")
        kinds = {kind for kind, _ in owned(here.cloud, ann)}
        assert kinds >= {"vm", "volume", "network", "template", "project", "user", "ssh_key_pair"}
        for kind, row in list(owned(here.cloud, ann)):
            if kind == "project":
                made = await here.make("root", "deleteProject", id=str(row.id), cleanup="true")
                assert await ended(here, made["jobid"]) == (RunState.SUCCEEDED, "")
        made = await here.make("root", "deleteAccount", id=str(ann))
        assert await ended(here, made["jobid"]) == (RunState.SUCCEEDED, "")
        assert list(owned(here.cloud, ann)) == []
        assert here.cloud.table("account").get(ann) is None


async def test_a_domain_with_one_of_everything(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        domain = named("domain ann")
        made = await here.make("root", "deleteDomain", id=str(domain), cleanup="true")
        assert await ended(here, made["jobid"]) == (RunState.SUCCEEDED, "")
        assert list(kept_in(here.cloud, domain)) == []
        assert here.cloud.table("domain").get(domain) is None
