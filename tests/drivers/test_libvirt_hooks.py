"""Scripts of an operator on a host: late ones end, and one whose host restarts is run again."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from drivers.contract.errors import Refused
from drivers.contract.hooks import Hook, HookEnd, HookResult, HookStage
from drivers.libvirt import hooks
from drivers.libvirt.shell import LocalShell

STAGE = HookStage.MAINTENANCE


def script(folder: Path, *lines: str, mode: int = 0o755) -> Path:
    path = folder / str(STAGE)
    path.write_text("\n".join(("#!/bin/sh", *lines)))
    path.chmod(mode)
    return path


async def run(folder: Path, key: UUID, *, timeout_s: int = 30) -> HookResult:
    hook = Hook(stage=STAGE, folder=str(folder), timeout_s=timeout_s)
    return await hooks.run(LocalShell(), hook, base=f"{folder}/runs", key=key)


async def test_a_script_that_is_late_is_ended_and_has_failed(tmp_path: Path) -> None:
    script(tmp_path, "echo begun; exec sleep 60")
    result = await run(tmp_path, uuid4(), timeout_s=1)
    assert result.end is HookEnd.FAILED
    assert result.said == "ended after 1 s, which is all it may take. begun"


async def test_a_script_that_cannot_be_run_has_failed(tmp_path: Path) -> None:
    script(tmp_path, "exit 0", mode=0o644)
    result = await run(tmp_path, uuid4())
    assert result.end is HookEnd.FAILED and "chmod +x" in result.said
    with pytest.raises(Refused, match="begins with /"):
        await run(Path("hooks.d"), uuid4())


async def test_what_ended_is_known_when_its_script_is_gone(tmp_path: Path) -> None:
    key, path = uuid4(), script(tmp_path, "echo once; rm -- $0; exit 3")
    assert (await run(tmp_path, key)).end is HookEnd.FAILED
    assert not path.exists()
    assert await run(tmp_path, key) == HookResult(end=HookEnd.FAILED, said="once")
    assert (await run(tmp_path, uuid4())).end is HookEnd.ABSENT


async def begun(tmp_path: Path, key: UUID) -> Path:
    """Begin a script that waits, and let go of it; the folder of this life of its host."""
    script(
        tmp_path,
        '[ -z "$HOOK_RESTARTED" ] || { echo restarted; exit 0; }',
        f"echo $$ >{tmp_path}/asleep; exec sleep 60",
    )
    asking = asyncio.create_task(run(tmp_path, key))
    asleep = tmp_path / "asleep"
    for _ in range(1000):
        if asleep.exists() and asleep.read_text():
            break
        await asyncio.sleep(0.02)
    asking.cancel()
    await asyncio.wait([asking])
    life = next(one for one in (tmp_path / "runs" / str(key)).iterdir() if one.is_dir())
    os.kill(int((life / "pid").read_text()), signal.SIGKILL)
    os.kill(int(asleep.read_text()), signal.SIGKILL)
    return life


async def test_one_that_was_killed_has_failed(tmp_path: Path) -> None:
    key = uuid4()
    await begun(tmp_path, key)
    result = await run(tmp_path, key)
    assert result.end is HookEnd.FAILED and "was killed on its host" in result.said


async def test_a_script_whose_host_restarted_is_run_again_and_told_so(tmp_path: Path) -> None:
    key = uuid4()
    life = await begun(tmp_path, key)
    life.rename(life.with_name(str(uuid4())))  # The life of its host is another by now.
    assert await run(tmp_path, key) == HookResult(end=HookEnd.DONE, said="restarted")
    assert len([one for one in life.parent.iterdir() if one.is_dir()]) == 2
