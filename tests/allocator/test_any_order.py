"""Whatever happens in whatever order: nothing is overbooked, and the log tells it all.

A machine of decisions, commits that succeed or fail, releases, changes of supply and a second
controller. After every step the invariants hold; at the end the log rebuilds to the live bytes.
"""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from aggregates.address import AddressTaken, address_ledger
from aggregates.capacity import CapacityHeld, capacity_ledger
from aggregates.errors import Conflict, Exhausted
from engine.allocator import Decision, SpaceRequest, pack, spread
from projections.addresses import Addresses
from projections.capacity import Capacity
from projections.cloud import Cloud
from projections.space import Space
from tests.allocator.world import ZONE, World, guest, host, named, pool

HOSTS = ("a", "b", "c")
KEYS = st.integers(0, 11)


class AnyOrder(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.world.supply(*(host(name) for name in HOSTS), pool("p"), pool("q"))
        self.lan = self.world.add_range("lan", 1, 6, 1)
        self.open: dict[tuple[str, int], tuple[Decision, int]] = {}
        self.foreign = 0

    def _keep(self, kind: str, key: int, decision: Decision) -> None:
        if decision.appends:
            self.open[kind, key] = decision, len(self.world.log)

    @rule(key=KEYS, cores=st.integers(1, 3), policy=st.sampled_from([None, pack, spread]))
    def place(self, key: int, cores: int, policy: object) -> None:
        changes: dict[str, object] = {"cpu_count": cores, "memory_mib": 1000 * cores}
        request = guest(f"vm{key}", **(changes | ({"policy": policy} if policy else {})))
        try:
            self._keep("place", key, self.world.allocator.place(request, named(f"{key}")))
        except (Exhausted, Conflict):
            return

    @rule(key=KEYS, size_bytes=st.integers(1, 700))
    def take_space(self, key: int, size_bytes: int) -> None:
        request = SpaceRequest(volume_id=named(f"v{key}"), zone_id=ZONE, size_bytes=size_bytes)
        try:
            self._keep("space", key, self.world.allocator.take_space(request, named(f"{key}")))
        except (Exhausted, Conflict):
            return

    @rule(key=KEYS)
    def take_address(self, key: int) -> None:
        try:
            decision = self.world.allocator.take_address(
                self.lan, named(f"{key}"), holder=named(f"nic{key}"), purpose="nic"
            )
        except (Exhausted, Conflict):
            return
        self._keep("address", key, decision)

    @rule(key=KEYS, kind=st.sampled_from(["place", "space", "address"]))
    def release(self, key: int, kind: str) -> None:
        if (kind, key) in self.open:
            return
        allocator = self.world.allocator
        verb = {
            "place": allocator.release,
            "space": allocator.release_space,
            "address": allocator.release_address,
        }[kind]
        self._keep(kind, key, verb(named(f"{key}")))

    @rule(data=st.data())
    def commit_one(self, data: st.DataObject) -> None:
        """Whichever is ready first; a lost race is forgotten, as a saga would."""
        if not self.open:
            return
        chosen = data.draw(st.sampled_from(sorted(self.open)))
        try:
            decision, decided_at = self.open.pop(chosen)
            self.world.commit(decision, decided_at=decided_at)
        except Conflict:
            self._forget(chosen[1])

    @rule(data=st.data())
    def fail_one(self, data: st.DataObject) -> None:
        """A commit that failed for a reason of its own."""
        if self.open:
            self._forget(data.draw(st.sampled_from(sorted(self.open)))[1])

    def _forget(self, key: int) -> None:
        self.world.allocator.forget(named(f"{key}"))
        for kind in ("place", "space", "address"):
            self.open.pop((kind, key), None)

    @rule(name=st.sampled_from(HOSTS), enabled=st.booleans(), tags=st.sampled_from([[], ["x"]]))
    def change_host(self, name: str, enabled: bool, tags: list[str]) -> None:
        """Another controller says so, whatever is on its way to this host."""
        row = host(name, enabled=enabled, tags=tags)
        self.world.record(capacity_ledger(named(name)), [row])

    @rule(name=st.sampled_from(HOSTS))
    def another_controller_places(self, name: str) -> None:
        slot = self.world.capacity.hosts.numbered[named(name).int]
        if self.world.capacity.hosts.free_mib[slot] < 500:
            return
        self.foreign += 1
        held = CapacityHeld(
            hold=named(f"foreign {self.foreign}"),
            host_id=named(name),
            vm_id=named("foreign"),
            cpu_count=0,
            cpu_mhz=0,
            memory_mib=500,
        )
        self.world.record(capacity_ledger(named(name)), [held])

    @rule(number=st.integers(2, 6))
    def another_controller_takes(self, number: int) -> None:
        if self.world.addresses.holder_of(self.lan, number) is not None:
            return
        self.foreign += 1
        taken = AddressTaken(
            hold=named(f"foreign {self.foreign}"),
            space_id=self.lan,
            number=number,
            holder=named("foreign"),
            purpose="nic",
        )
        self.world.record(address_ledger(self.lan, number), [taken])

    @invariant()
    def nothing_is_overbooked(self) -> None:
        hosts = self.world.capacity.hosts
        assert hosts.free_mhz.min() >= 0
        assert hosts.free_mib.min() >= 0
        assert all(one.free_bytes >= 0 for one in self.world.space.pools.values())

    @invariant()
    def no_number_has_two_holders(self) -> None:
        numbers = [taken.number for taken in self.world.addresses.holds.values()]
        assert len(numbers) == len(set(numbers))
        assert 1 not in numbers

    @invariant()
    def what_is_saved_is_what_the_log_says(self) -> None:
        assert encoded(self.world.rebuilt()) == encoded(self.world.cloud)

    def teardown(self) -> None:
        for key in range(12):
            self._forget(key)
        world, rebuilt = self.world, self.world.rebuilt()
        assert not any(len(f.pendings) for f in (world.capacity, world.space, world.addresses))
        live, again = world.capacity.hosts, rebuilt.view(Capacity).hosts
        assert live.free_mhz.tolist() == again.free_mhz.tolist()
        assert live.free_mib.tolist() == again.free_mib.tolist()
        numbers = rebuilt.view(Addresses).ranges[self.lan]
        assert world.addresses.ranges[self.lan].taken_numbers() == numbers.taken_numbers()
        assert encoded(Cloud.load(world.cloud.save())) == encoded(rebuilt)


def encoded(cloud: Cloud) -> list[bytes]:
    """Every byte of the three folds."""
    folds: Iterable[Capacity | Space | Addresses] = (
        cloud.view(Capacity),
        cloud.view(Space),
        cloud.view(Addresses),
    )
    return [fold.encode() for fold in folds]


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_any_order = AnyOrder.TestCase
