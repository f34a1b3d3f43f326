"""An operator's scripts on simulated hosts: nothing runs, and each ends as it was told to.

Unless told otherwise a host has a script for every stage, which does its work and says so.
"""

from __future__ import annotations

from uuid import UUID

from drivers.contract.hooks import Hook, HookEnd, HookResult
from drivers.sim.rows import HookRun, SimHook, SimHost
from drivers.sim.world import SimWorld


def run(world: SimWorld, host: SimHost, hook: Hook, key: UUID) -> HookResult:
    """How the script ended; one that ran under this key is told of and not run again."""
    if (known := world.hook_runs.get(key)) is not None:
        return HookResult(end=known.end, said=known.said)
    told = world.hooks.get((host.url, hook.stage))
    if told is None:
        words = " ".join(hook.arguments)
        told = SimHook(host.url, hook.stage, HookEnd.DONE, f"{hook.stage} {words}".strip())
    if hook.only_look:
        return HookResult(end=HookEnd.ABSENT if told.end is HookEnd.ABSENT else HookEnd.DONE)
    world.commit(HookRun(host.url, hook.stage, key, told.end, told.said))
    return HookResult(end=told.end, said=told.said)
