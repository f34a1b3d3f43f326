"""A million events of a cloud whose guests come and go, as their jobs would have left them.

Two guests of three are gone again. Each deploy and each end is a run with its steps, as the engine
writes one, beside what it says of the guest, its disk, and every ledger.
"""

from __future__ import annotations

from uuid import UUID, uuid5

import msgspec

from aggregates.address import AddressFreed, AddressTaken
from aggregates.base import Event
from aggregates.capacity import CapacityFreed, CapacityHeld
from aggregates.saga import SagaStarted, SagaSucceeded, StepsSucceeded
from aggregates.space import SpaceFreed, SpaceHeld
from aggregates.vm import VmBusy, VmExpunged, VmState, VmStopped
from aggregates.volume import VolumeBusy, VolumeRemoved, VolumeState
from benchmarks.cloud import deploy, named
from benchmarks.data_centre import Guests, write
from engine.engine import Engine
from engine.genesis import ADMIN_ACCOUNT
from engine.log import Append, Log

STEPS = ("record", "prepare", "place", "build", "boot", "announce")
AT_ONCE = 200


async def live_long(engine: Engine, log: Log, *, events: int, hosts: int, first: int = 0) -> int:
    """Write lives until the log holds so many events, and give the number of the next one.

    The networks for them exist.
    """
    lives = Lives(engine, hosts)
    number = first
    while engine.cloud.position < events:
        for rule in (lives.begin, lives.end):
            some = range(number, number + AT_ONCE)
            await write(engine, log, [part for one in some for part in rule(one)])
        number += AT_ONCE
    return number


class Lives(Guests):
    """What a deploy and an end leave, each with its run."""

    def __init__(self, engine: Engine, hosts: int) -> None:
        super().__init__(engine, hosts)
        self._begun: dict[int, list[Append]] = {}

    def begin(self, number: int) -> list[Append]:
        name = f"crowd-{number}"
        intent = msgspec.to_builtins(deploy(name))
        begun = self._begun[number] = self.of(number)
        return [*begun, _run(name, "vm.deploy", "VM.CREATE", named(f"vm {name}"), intent)]

    def end(self, number: int) -> list[Append]:
        """Of two in three guests."""
        begun = self._begun.pop(number)
        if number % 3 == 0:
            return []
        run_id = named(f"run vm.expunge crowd-{number}")
        found: list[Append] = []
        for past in begun:
            at = self._versions.get(past.stream)
            if at is None:
                at = past.expected + len(past.events)
            else:
                self._versions[past.stream] = at + 1
            found.append(Append(past.stream, at, _over(past, run_id)))
        vm_id = named(f"vm crowd-{number}")
        return [*found, _run(f"crowd-{number}", "vm.expunge", "VM.DESTROY", vm_id, {})]


def _over(past: Append, run_id: UUID) -> tuple[Event, ...]:
    """How what one append began comes to its end."""
    first = past.events[0]
    if isinstance(first, CapacityHeld):
        return (CapacityFreed(hold=first.hold, host_id=first.host_id),)
    if isinstance(first, SpaceHeld):
        return (SpaceFreed(hold=first.hold, pool_id=first.pool_id),)
    if isinstance(first, AddressTaken):
        freed = {"space_id": first.space_id, "number": first.number}
        return (AddressFreed(hold=first.hold, **freed),)  # type: ignore[arg-type]
    if first.KIND == "volume":
        busy = VolumeBusy(doing=VolumeState.EXPUNGING, job_id=run_id)
        return (busy, VolumeRemoved())
    return (VmStopped(), VmBusy(doing=VmState.EXPUNGING, job_id=run_id), VmExpunged())


def _run(name: str, saga: str, action: str, vm_id: UUID, intent: dict[str, object]) -> Append:
    started = SagaStarted(
        name=saga, command="deployVirtualMachine", action=action, user_id=None,
        account_id=ADMIN_ACCOUNT, subject_kind="vm", subject_id=vm_id, intent=intent,
    )  # fmt: skip
    done = [
        StepsSucceeded(
            outputs={step: {"key": str(uuid5(vm_id, step))} for step in STEPS[n : n + 2]}
        )
        for n in range(0, len(STEPS), 2)
    ]
    return Append(named(f"run {saga} {name}"), 0, (started, *done, SagaSucceeded()))
