"""Examples of the saga of pods."""

from __future__ import annotations

from engine.intents.pod import UpdatePod
from tests.sagas.rig import Rig
from tests.sagas.seed import POD, named


async def _close(rig: Rig) -> object:
    fields = {"name": "closed", "allocation_state": "Disabled"}
    return UpdatePod(id=POD, space_id=named("another space"), fields=fields)


EXAMPLES = {"pod.update:1": _close}
