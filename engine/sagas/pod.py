"""Change a pod. Whether it takes guests each of its hosts has to be told, and they may be many."""

from __future__ import annotations

from engine.decisions import pod as decisions
from engine.intents.pod import UpdatePod
from engine.offers import change_and_tell
from engine.saga import Saga
from projections.pod import pods

update_pod = Saga("pod.update:1", UpdatePod, "pod", lambda ask: ask.id, forward_only=True)
change_and_tell(update_pod, pods, decisions.change)
