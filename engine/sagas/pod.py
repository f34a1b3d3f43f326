"""Change a pod. Whether it takes guests each of its hosts has to be told, and they may be many.

They are told a few at a time, each time by a commit of its own, as all of them in one would keep
everybody else waiting. A crash in between is carried on from: who was told already is passed over.
"""

from __future__ import annotations

from uuid import uuid5

from aggregates.ids import id_numbered
from drivers.contract.errors import Refused
from engine.decide import Desk
from engine.decisions import pod as decisions
from engine.decisions.host import is_told, resupply
from engine.intents import SYSTEM, By
from engine.intents.host import SupplyHosts
from engine.intents.job import AsJob
from engine.intents.pod import UpdatePod
from engine.saga import Run, Saga
from projections.host import hosts
from projections.pieces import pieces
from projections.pod import pods

AT_ONCE = 200

update_pod = Saga(
    "pod.update:1", UpdatePod, subject="pod", subject_id=lambda ask: ask.id, forward_only=True
)


@update_pod.step
def change(run: Run[UpdatePod]) -> None:
    """A pod of few hosts is changed with them, in one commit."""
    assert run.draft is not None
    before = run.row(pods, run.intent.id).allocation_state
    decisions.change(run.intent, Desk(run.draft, run.world, By()))
    there = run.cloud[hosts].by("pod_id", run.intent.id)
    if run.row(pods, run.intent.id).allocation_state != before and len(there) <= AT_ONCE:
        resupply(run, there)


@update_pod.step(timeout_s=3600)
async def tell_hosts(run: Run[UpdatePod]) -> None:
    """Each says what it offers as the pod is at that moment, whoever changed that last."""
    there = run.cloud[hosts]
    ids = [id_numbered(one) for one in there.by("pod_id", run.intent.id).numbers]
    async for some in pieces(ids, AT_ONCE):
        late = [one for one in some if one in there and not is_told(run.world, there[one])]
        if not late:
            continue
        ask = AsJob(ask=SupplyHosts(ids=late), subject_kind="pod", subject_id=run.intent.id)
        child = uuid5(run.key, " ".join(map(str, late)))
        job = await run.world.children.submit(ask, SYSTEM, run_id=child)
        if why := await run.world.children.outcome(job.id):
            raise Refused(why)
