"""Programs of somebody else's that die, are silent or talk nonsense: each a clear error."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from drivers.contract.compute import HostAddress
from drivers.contract.driver import Driver, HostSession
from drivers.contract.errors import Refused, Unavailable, Unknown
from drivers.contract.storage import PoolSpec
from drivers.extension.driver import make_all

HOST = HostAddress(url="external:///somewhere", username="root", password="a-secret")
POOL = PoolSpec(pool_id=uuid4(), url="file:///pool")
BEGIN = """
import json, sys, time
def say(**told): print(json.dumps(told), flush=True)
for line in sys.stdin:
    ask = json.loads(line)
    verb, number = ask.get("verb"), ask["id"]
    if verb == "connect":
        say(id=number, value=None)
        continue
"""

Opened = tuple[Driver, HostSession]


@asynccontextmanager
async def running(
    folder: Path, body: str, extra: str = "", *, patience_s: float = 60
) -> AsyncIterator[Opened]:
    """A program that answers `connect`, and else does as `body` says."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    (folder / "program.py").write_text(BEGIN + lines)
    manifest = f'command = ["{sys.executable}", "program.py"]\npatience_s = {patience_s}\n{extra}'
    (folder / "extension.toml").write_text(manifest)
    driver = make_all({"state": "", "folder": str(folder)})[0]
    try:
        yield driver, await driver.connect(HOST)
    finally:
        await driver.close()


async def test_a_program_that_dies_may_have_changed_something(tmp_path: Path) -> None:
    async with running(tmp_path, "sys.exit(3)") as (driver, session):
        with pytest.raises(Unknown, match="ended"):
            await session.stop_guest(uuid4(), grace_s=0, key=uuid4())
        with pytest.raises(Unavailable, match="ended"):
            await session.list_guests()
        await driver.connect(HOST)


async def test_a_silent_program_is_not_waited_for(tmp_path: Path) -> None:
    async with running(tmp_path, "pass", patience_s=4) as (_, session):
        with pytest.raises(Unknown, match="no word"):
            await session.stop_guest(uuid4(), grace_s=0, key=uuid4())
        with pytest.raises(Unavailable, match="no word"):
            await session.list_guests()


@pytest.mark.parametrize("closed", [0, 1])
async def test_a_program_that_closed_a_pipe_is_begun_anew(tmp_path: Path, closed: int) -> None:
    """Nothing will be heard of it: no verb waits its whole patience for that."""
    body = f"""
import os
if not os.path.exists("closed"):
    open("closed", "w").close()
    os.close({closed})
    time.sleep(60)
say(id=number, value=[])
"""
    async with running(tmp_path, body, patience_s=50) as (_, session):
        async with asyncio.timeout(20):
            with pytest.raises(Unavailable, match="ended"):
                await session.list_guests()
            assert await session.list_guests() == []


async def test_who_tells_of_progress_has_time(tmp_path: Path) -> None:
    body = """
if "verb" in ask:
    for part in range(5):
        time.sleep(1.2)
        say(id=number, progress=20 * part, text="on it")
    say(id=number, value=[])
"""
    async with running(tmp_path, body, patience_s=4) as (_, session):
        assert await session.list_guests() == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("print('hello', flush=True)", "ended"),
        ("say(id=number, value='a word')", "something else"),
        ("say(id=number, error='Odd', text='strange')", "strange"),
        ("say(id=number, error='Refused')", "no word why"),
    ],
)
async def test_nonsense_is_told(tmp_path: Path, body: str, words: str) -> None:
    async with running(tmp_path, body) as (_, session):
        with pytest.raises((Unavailable, Refused), match=words):
            await session.list_guests()


async def test_answers_come_in_any_order(tmp_path: Path) -> None:
    body = """
held = globals().setdefault("held", [])
held.append((number, verb))
if len(held) == 2:
    for one, name in reversed(held):
        say(id=one, value=[] if name == "list_guests" else None)
"""
    async with running(tmp_path, body) as (_, session), asyncio.TaskGroup() as group:
        first = group.create_task(session.list_guests(), name="first")
        group.create_task(session.find_guest(uuid4()), name="second")
        assert await first == []


async def test_the_program_hears_that_nobody_waits(tmp_path: Path) -> None:
    body = """
if ask.get("cancel"):
    open("cancelled", "w").write(str(number))
elif verb == "list_guests":
    say(id=number, value=[])
"""
    async with running(tmp_path, body) as (_, session):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await session.stop_guest(uuid4(), grace_s=0, key=uuid4())
        await session.list_guests()
        assert (tmp_path / "cancelled").read_text() == "2"


async def test_what_it_cannot_it_is_not_asked(tmp_path: Path) -> None:
    extra = '[capabilities.cannot]\nmove_disk = "it stays"\n'
    async with running(tmp_path, "sys.exit(3)", extra) as (driver, session):
        assert driver.capabilities.why_not("move_disk") == "it stays"
        with pytest.raises(Refused, match="it stays"):
            await session.move_disk(uuid4(), uuid4(), POOL, key=uuid4())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no extension"),
        ("command = 7", "not understood"),
        ('command = ["x"]\ncolour = "blue"', "not understood"),
        ('command = ["./nobody"]', "cannot be run"),
    ],
)
async def test_folders_that_are_no_extension(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / "extension.toml").write_text(text)
    driver = make_all({"state": str(tmp_path)})[0]
    with pytest.raises(Refused, match=words):
        await driver.connect(HOST)
    await driver.close()
