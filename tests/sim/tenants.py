"""What people ask for, at random: sensible most of the time, too late or twice now and then.

A tenant whose controller died before it answered may ask again under the same id. What was
acknowledged is remembered, for the judges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar
from uuid import UUID

from aggregates.base import Aggregate
from aggregates.errors import DomainError
from aggregates.vm import VmState
from benchmarks.cloud import BY, GIB, ISOLATED, ZONE, deploy, named
from engine.engine import Engine, JobFailed
from engine.genesis import ADMIN_ACCOUNT, ROOT_DOMAIN
from engine.intents.host import EndMaintenance, PrepareHost, ReconnectHost
from engine.intents.network import CreateNetwork, RemoveNetwork
from engine.intents.saga import CancelJob, MendJob
from engine.intents.vm import (
    CreateVm,
    DestroyVm,
    ExpungeVm,
    MigrateVm,
    RebootVm,
    RecoverVm,
    StartVm,
    StopVm,
)
from engine.intents.volume import (
    AttachVolume,
    CreateVolume,
    DeleteVolume,
    DetachVolume,
    ResizeVolume,
)
from projections.host import hosts
from projections.network import networks
from projections.saga import RunState, saga_runs
from projections.vm import vms
from projections.volume import volumes
from tests.sim.seeds import Chance

R = TypeVar("R", bound=Aggregate)
Ask = Callable[[], object | None]

VMS_MAX = 40
BLIND = 0.1  # how often somebody asks without looking


class Tenants:
    """All who ask. `engine` is the one of the present life."""

    def __init__(self, seed: int, *, operators: bool) -> None:
        self.chance = Chance(seed, "tenants")
        self.engine: Engine
        self.accepted: list[UUID] = []
        self.told: Counter[str] = Counter()
        self.unanswered: dict[UUID, object] = {}
        self._made = 0
        work: list[tuple[Ask, int]] = [
            (self._deploy, 10), (self._create, 1), (self._start, 8), (self._stop, 5),
            (self._reboot, 2), (self._destroy, 2), (self._expunge, 4), (self._recover, 2),
            (self._migrate, 5), (self._new_volume, 4), (self._attach, 5), (self._detach, 4),
            (self._resize, 2), (self._delete_volume, 2), (self._new_network, 1),
            (self._remove_network, 1), (self._cancel, 3), (self._mend, 2),
        ]  # fmt: skip
        if operators:
            work += [(self._maintain, 1), (self._serve_again, 2), (self._reconnect, 1)]
        self._work = [ask for ask, weight in work for _ in range(weight)]

    def next(self) -> Coroutine[Any, Any, None] | None:
        """Something to ask, ready to be run; None if there is nothing to choose from."""
        ask = self.chance.rng.choice(self._work)()
        if ask is None:
            return None
        if type(ask) in DECIDED:
            return self._decide(ask)
        return self._submit(ask, self.chance.new_id())

    def again(self) -> Iterable[Coroutine[Any, Any, None]]:
        """What some of those who never got an answer ask once more, under the same id."""
        lost, self.unanswered = self.unanswered, {}
        for run_id, ask in lost.items():
            if self.chance.rng.random() < 0.5:
                yield self._submit(ask, run_id)

    async def _submit(self, ask: object, run_id: UUID) -> None:
        self.unanswered[run_id] = ask
        try:
            job = await self.engine.submit(ask, BY, run_id=run_id)
        except (DomainError, JobFailed) as no:
            self.told[type(no).__name__] += 1
        else:
            assert job.id == run_id
            self.accepted.append(run_id)
            self.told["accepted"] += 1
        self.unanswered.pop(run_id, None)

    async def _decide(self, ask: object) -> None:
        try:
            await self.engine.decide(ask, BY)
        except DomainError as no:
            self.told[type(no).__name__] += 1
        else:
            self.told["decided"] += 1

    # ---- choosing ------------------------------------------------------------------------

    def _one(self, rows: Iterable[R], fits: Callable[[R], bool] = lambda row: True) -> R | None:
        blind = self.chance.rng.random() < BLIND
        found = [row for row in rows if blind or fits(row)]
        return self.chance.rng.choice(found) if found else None

    def _vm(self, *states: VmState) -> Any:
        return self._one(
            self.engine.cloud[vms], lambda vm: vm.job_id is None and vm.state in states
        )

    def _name(self, kind: str) -> str:
        self._made += 1
        return f"{kind}-{self._made}"

    def _deploy(self) -> object | None:
        network = self._one(self.engine.cloud[networks])
        if network is None or len(self.engine.cloud[vms]) >= VMS_MAX:
            return None
        two = self.chance.rng.random() < 0.3
        return deploy(self._name("vm"), network_id=network.id, data_disk=two)

    def _create(self) -> object | None:
        ask: Any = self._deploy()
        return ask and CreateVm(deploy=ask)

    def _start(self) -> object | None:
        vm = self._vm(VmState.STOPPED)
        return vm and StartVm(vm_id=vm.id)

    def _stop(self) -> object | None:
        vm = self._vm(VmState.RUNNING)
        return vm and StopVm(vm_id=vm.id, forced=self.chance.rng.random() < 0.5)

    def _reboot(self) -> object | None:
        vm = self._vm(VmState.RUNNING)
        return vm and RebootVm(vm_id=vm.id)

    def _destroy(self) -> object | None:
        vm = self._vm(VmState.RUNNING, VmState.STOPPED)
        return vm and DestroyVm(vm_id=vm.id)

    def _expunge(self) -> object | None:
        vm = self._vm(VmState.RUNNING, VmState.STOPPED, VmState.DESTROYED)
        return vm and ExpungeVm(vm_id=vm.id)

    def _recover(self) -> object | None:
        vm = self._vm(VmState.DESTROYED)
        return vm and RecoverVm(vm_id=vm.id)

    def _migrate(self) -> object | None:
        vm = self._vm(VmState.RUNNING)
        host = self._one(self.engine.cloud[hosts]) if self.chance.rng.random() < 0.5 else None
        return vm and MigrateVm(vm_id=vm.id, host_id=host.id if host else None)

    def _new_volume(self) -> object | None:
        name = self._name("volume")
        return CreateVolume(
            volume_id=named(name), account_id=ADMIN_ACCOUNT, domain_id=ROOT_DOMAIN, zone_id=ZONE,
            name=name, size_bytes=self.chance.rng.randint(1, 4) * GIB,
        )  # fmt: skip

    def _attach(self) -> object | None:
        volume = self._one(self.engine.cloud[volumes], lambda one: one.vm_id is None)
        vm = self._vm(VmState.RUNNING, VmState.STOPPED)
        return vm and volume and AttachVolume(volume_id=volume.id, vm_id=vm.id)

    def _detach(self) -> object | None:
        attached = self._one(
            self.engine.cloud[volumes], lambda one: one.vm_id is not None and one.kind != "ROOT"
        )
        return attached and DetachVolume(volume_id=attached.id)

    def _resize(self) -> object | None:
        volume = self._one(self.engine.cloud[volumes])
        return volume and ResizeVolume(volume_id=volume.id, size_bytes=volume.size_bytes + GIB)

    def _delete_volume(self) -> object | None:
        volume = self._one(self.engine.cloud[volumes], lambda one: one.vm_id is None)
        return volume and DeleteVolume(volume_id=volume.id)

    def _new_network(self) -> object | None:
        name = self._name("network")
        return CreateNetwork(
            network_id=named(name), account_id=ADMIN_ACCOUNT, domain_id=ROOT_DOMAIN, zone_id=ZONE,
            offering_id=ISOLATED, name=name, display_text=name, gateway="10.2.0.1",
            netmask="255.255.255.240",
        )  # fmt: skip

    def _remove_network(self) -> object | None:
        network = self._one(self.engine.cloud[networks])
        return network and RemoveNetwork(network_id=network.id)

    def _job(self, state: RunState) -> Any:
        return self._one(self.engine.cloud[saga_runs].by("state", state))

    def _cancel(self) -> object | None:
        job = self._job(RunState.RUNNING)
        return job and CancelJob(job_id=job.id)

    def _mend(self) -> object | None:
        job = self._job(RunState.PARKED)
        return job and MendJob(job_id=job.id, way=self.chance.rng.choice(("retry", "undo")))

    def _maintain(self) -> object | None:
        host = self._one(self.engine.cloud[hosts])
        return host and PrepareHost(id=host.id)

    def _serve_again(self) -> object | None:
        host = self._one(self.engine.cloud[hosts])
        return host and EndMaintenance(id=host.id)

    def _reconnect(self) -> object | None:
        host = self._one(self.engine.cloud[hosts])
        return host and ReconnectHost(id=host.id)


DECIDED = {
    CreateVolume,
    CreateNetwork,
    RemoveNetwork,
    RecoverVm,
    CancelJob,
    MendJob,
    EndMaintenance,
}
