"""What every driver promises that runs an operator's scripts on its hosts."""

from __future__ import annotations

from typing import Protocol, runtime_checkable
from uuid import UUID, uuid4

from drivers.conformance.checks import Exempt, Rig, Suite, must
from drivers.contract.hooks import AVOIDS, Hook, HookEnd, HookResult, HookStage

SUITE = Suite()
STAGES = {HookStage.PRE_FLIGHT: 0, HookStage.PRE_MAINTENANCE: AVOIDS, HookStage.MAINTENANCE: 3}


@runtime_checkable
class HookedHarness(Protocol):
    """A harness that puts scripts onto its first host."""

    async def hook(self, stage: HookStage, status: int | None) -> str:
        """Let the script of this stage say that it ran and its arguments, and end with `status`;
        None leaves no script. The folder."""

    async def hook_runs(self, stage: HookStage) -> int:
        """How often that script has run."""


def _hooked(rig: Rig) -> HookedHarness:
    if not rig.capabilities.run_hook:
        raise Exempt("this kind runs no scripts of operators")
    if not isinstance(rig.harness, HookedHarness):
        raise Exempt("the harness puts no script onto a host")
    return rig.harness


async def _run(rig: Rig, hook: Hook, key: UUID | None = None) -> HookResult:
    return await rig.within(rig.session.run_hook(hook, key=key or uuid4()))


@SUITE.promise
async def scripts_run_once_and_how_they_end_is_told(rig: Rig) -> None:
    """A script runs once for its key, with its arguments, and how it ended is told."""
    harness = _hooked(rig)
    await _ends_are_told(rig, harness)
    await _absence_is_told(rig, harness)
    await _a_key_is_a_run(rig, harness)


async def _ends_are_told(rig: Rig, harness: HookedHarness) -> None:
    """A script has the arguments that it was given; 0 is done, 70 avoids, all else has failed."""
    ends = {0: HookEnd.DONE, AVOIDS: HookEnd.AVOID, 3: HookEnd.FAILED}
    for stage, status in STAGES.items():
        folder = await harness.hook(stage, status)
        hook = Hook(stage=stage, folder=folder, timeout_s=30, arguments=("a b", "$(c)", "d"))
        result = await _run(rig, hook)
        must(result.end is ends[status], f"{stage} ended with {status}: {result}")
        must("a b $(c) d" in result.said, f"{stage} was given other arguments: {result}")


async def _absence_is_told(rig: Rig, harness: HookedHarness) -> None:
    """A stage without a script is told as absent, and a look runs nothing."""
    ran = await harness.hook_runs(HookStage.MAINTENANCE)
    folder = await harness.hook(HookStage.MAINTENANCE, 0)
    await harness.hook(HookStage.POST_MAINTENANCE, None)
    for stage, end in (
        (HookStage.MAINTENANCE, HookEnd.DONE),
        (HookStage.POST_MAINTENANCE, HookEnd.ABSENT),
    ):
        look = Hook(stage=stage, folder=folder, timeout_s=30, only_look=True)
        result = await _run(rig, look)
        must(result.end is end, f"looked for {stage}: {result}")
    must(await harness.hook_runs(HookStage.MAINTENANCE) == ran, "a look ran the script")
    absent = await _run(rig, Hook(stage=HookStage.POST_MAINTENANCE, folder=folder, timeout_s=30))
    must(absent.end is HookEnd.ABSENT, f"there is no script: {absent}")


async def _a_key_is_a_run(rig: Rig, harness: HookedHarness) -> None:
    """Asking again with its key tells how it ended, over a new session too; a new key runs it."""
    ran = await harness.hook_runs(HookStage.MAINTENANCE)
    folder, key = await harness.hook(HookStage.MAINTENANCE, 3), uuid4()
    hook = Hook(stage=HookStage.MAINTENANCE, folder=folder, timeout_s=30)
    await rig.cancelled(rig.session.run_hook(hook, key=key), after_s=0.05)
    first = await _run(rig, hook, key)
    await harness.hook(HookStage.MAINTENANCE, 0)
    other = await rig.connect()
    again = await rig.within(other.run_hook(hook, key=key))
    must(first == again and first.end is HookEnd.FAILED, f"first {first}, then {again}")
    must(await harness.hook_runs(HookStage.MAINTENANCE) == ran + 1, "it did not run once")
    must((await _run(rig, hook)).end is HookEnd.DONE, "another key is another run")
    must(await harness.hook_runs(HookStage.MAINTENANCE) == ran + 2, "another key ran nothing")
