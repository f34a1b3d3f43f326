"""Asks at once after a host that a job could not reach.

Rounds find a lost host after a minute, and until then others are promised to it, each of which
tries it for seconds. Whoever drives a job in need of it knows at the first failed attempt, and
asks the host itself: what failed may have been its pool. If it answers in neither of two looks it
is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from uuid import UUID

from aggregates.base import Recorded
from aggregates.host import HostState
from aggregates.saga import SagaRun, StepFailed
from drivers.contract.errors import Unavailable, Unknown
from engine.clock import Clock
from engine.engine import Engine
from engine.fence import Owner
from engine.intents.host import HostLost
from engine.log import Log
from engine.reconcilers.looks import BY, guests_of, safely
from engine.runner import OUT_OF_REACH
from engine.tasks import Tasks
from engine.world import Hosts
from projections.host import hosts
from projections.saga import saga_runs
from projections.vm import vms

ANSWER_S, BETWEEN_S = 10.0, 3.0
# A host that answers is not asked again for so long, however many jobs fail.
PAUSE_S = 5.0
MOST = 64


class Doubts:
    """Made after the engine, so that it hears of what the engine's fold has in."""

    def __init__(
        self, log: Log, engine: Engine, hosts_: Hosts, tasks: Tasks, clock: Clock, owner: Owner
    ) -> None:
        self._engine, self._hosts, self._tasks = engine, hosts_, tasks
        self._clock, self._owner = clock, owner
        self._asked: set[UUID] = set()
        log.listen(self._heard)

    def _heard(self, batch: Sequence[Recorded]) -> None:
        for recorded in batch:
            event = recorded.event
            if isinstance(event, StepFailed) and event.error in OUT_OF_REACH:
                self._doubt(recorded.stream)

    def _doubt(self, run_id: UUID) -> None:
        """The hosts that a run of ours needs; as many at a time as can be asked soon."""
        run = self._engine.cloud[saga_runs].get(run_id)
        if run is None or not self._owner.owns(run_id):
            return
        for host_id in self._needed(run):
            if host_id in self._asked or len(self._asked) >= MOST:
                continue
            self._asked.add(host_id)
            asking = self._ask_after(host_id)
            if not self._tasks.spawn(asking, name=f"after host {host_id}"):
                self._asked.discard(host_id)

    def _needed(self, run: SagaRun) -> Iterator[UUID]:
        """Where its guest is, and where that was promised to be.

        Nothing that a step told may raise here: the log's listeners are not to fail.
        """
        vm = self._engine.cloud[vms].get(run.subject_id)
        if vm is not None and vm.host_id is not None:
            yield vm.host_id
        for told in run.outputs.values():
            if isinstance(told, dict) and "host_id" in told:
                with suppress(ValueError):
                    yield UUID(str(told["host_id"]))

    async def _ask_after(self, host_id: UUID) -> None:
        try:
            # The limit of each look is its own; this one is for whatever does not keep it.
            await safely(self._look(host_id), 3 * ANSWER_S)
            await self._clock.sleep(PAUSE_S)
        finally:
            self._asked.discard(host_id)

    async def _look(self, host_id: UUID) -> None:
        if not await self._why_not(host_id):
            return
        await self._clock.sleep(BETWEEN_S)
        if why := await self._why_not(host_id):
            await self._engine.decide(HostLost(id=host_id, why=why), BY)

    async def _why_not(self, host_id: UUID) -> str:
        """Why the host does not answer; empty if it does, or if nobody counts on it.

        Nor does anybody ask while a job is at work on the host: it finds out by itself.
        """
        host = self._engine.cloud[hosts].get(host_id)
        if host is None or host.state is not HostState.UP or host.job_id is not None:
            return ""
        try:
            await guests_of(self._hosts, host, ANSWER_S)
        except (Unavailable, Unknown) as error:
            return str(error)
        return ""
