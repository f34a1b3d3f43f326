"""A router on a simulated host: what it was told last, and the leases that its cards have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from drivers.contract.routing import Lease, LeaseChange, RouterSpec, RouterStatus
from drivers.kit import router_words
from drivers.sim.rows import SimLeases, SimRouter


@dataclass(slots=True)
class Routed:
    """It stays while it is told other things; with its host's power it is gone."""

    host: str
    spec: RouterSpec
    mark: str = ""
    leases: dict[UUID, Lease] = field(default_factory=dict)

    @property
    def status(self) -> RouterStatus:
        return RouterStatus(router_id=self.spec.router_id, digest=self.spec.digest, mark=self.mark)

    def takes(self, change: LeaseChange) -> bool:
        """Is it at the mark that the change is from, or at the one behind it?"""
        return change.was is None or self.mark in (change.was, change.now)

    def take(self, change: LeaseChange) -> None:
        if change.was is None:
            self.leases.clear()
        for nic_id in change.gone:
            self.leases.pop(nic_id, None)
        self.leases |= {one.nic_id: one for one in change.come}
        self.mark = change.now

    def rows(self) -> Iterator[SimRouter | SimLeases]:
        """What leads to it."""
        yield SimRouter(self.host, self.spec)
        if self.mark:
            whole = LeaseChange(now=self.mark, come=tuple(self.leases.values()))
            yield SimLeases(self.host, self.spec.router_id, whole)


def unsaid(change: LeaseChange) -> dict[UUID, str]:
    """What DHCP cannot say of which cards."""
    told = ((one.nic_id, router_words.card(one)[1]) for one in change.come)
    return {nic_id: why for nic_id, why in told if why}
