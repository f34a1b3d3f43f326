"""Whom a key stands for is kept, and never longer than it is true."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast
from uuid import UUID

from api.dispatch import Request
from api.identity import identify, key_access
from api.memo import Memo
from api.reads import Reads
from api.signers import RESTS_ON
from projections.cloud import Cloud
from tests.api.everybody import House, _signature, house
from tests.tenant.world import named


async def asked(here: House, who: str, command: str = "listZones") -> int:
    full = {"command": command, "response": "json", "apikey": here.keys[who][0]}
    full["signature"] = _signature(full, here.keys[who][1])
    return (await here.gateway.answer(Request("GET", list(full.items())))).status


async def test_who_signs_is_read_anew_when_anything_of_it_changes(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        memo = here.gateway.memo
        assert isinstance(memo, Memo)
        user: Any = here.cloud.table("user")[named("user ann")]
        key = next(iter(here.cloud.table("api_key").by("user_id", user.id)))

        reads = Reads(here.cloud)
        holder = identify(cast(Cloud, reads), user.id)
        assert holder is not None and key_access(cast(Cloud, reads), holder)
        read = {pattern[0] for pattern, _ in reads.keys}
        assert {"user", "account", "domain", "role", "project_member", "setting"} <= read
        assert read <= RESTS_ON

        assert await asked(here, "ann") == 200
        assert (kept := memo.signers.get(key)) is not None
        assert await asked(here, "ann") == 200
        assert memo.signers.get(key) is kept
        # Who turns off all keys has to turn them on again without one.
        root: Any = here.cloud.table("api_key").one("key", here.keys["root"][0])
        here.gateway.trusted_user = lambda: root.user_id
        access = {"name": "api.key.access"}
        for lock, unlock in (
            (
                {"command": "disableUser", "id": str(user.id)},
                {"command": "enableUser", "id": str(user.id)},
            ),
            (
                {"command": "updateConfiguration", "value": "false", **access},
                {"command": "updateConfiguration", "value": "true", **access},
            ),
        ):
            await by_root(here, lock)
            assert await asked(here, "ann") == 401, lock
            await by_root(here, unlock)
            assert await asked(here, "ann") == 200, unlock


async def by_root(here: House, params: dict[str, str]) -> None:
    """Have it done, to its end."""
    pairs = list({**params, "response": "json"}.items())
    answer = await here.gateway.answer(Request("GET", pairs, trusted=True))
    assert answer.status == 200, answer.body
    job = answer.body.partition(b'"jobid":"')[2][:36]
    if job:
        await here.controller.engine.runner.wait(UUID(job.decode()))
