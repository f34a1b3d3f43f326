"""The leases of a router's networks, as the log has them: those of all cards, or of some guests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from uuid import UUID

from aggregates.vm import Vm
from drivers.contract.routing import GuestNet, Lease
from projections.cloud import Cloud
from projections.nic import Nics
from projections.pieces import pieces
from projections.vm import vms

Frame = frozenset[tuple[UUID, str]]
"""The networks that leases are told of, and their domains."""


def frame_of(nets: Iterable[GuestNet]) -> Frame:
    told = (net for net in nets if net.serves_dhcp or net.serves_dns)
    return frozenset((net.network_id, net.domain) for net in told)


def guest_count(cloud: Cloud, frame: Frame) -> int:
    """How many guests are on the networks; none of them is looked at."""
    cards = cloud.view(Nics)
    return sum(len(cards.guests_on(network_id)) for network_id, _ in frame)


async def all_leases(cloud: Cloud, frame: Frame) -> list[Lease]:
    """Each guest's at its own moment: whoever asks listens meanwhile to what changes."""
    domains, found = dict(frame), list[Lease]()
    for network_id, _ in sorted(frame):
        async for some in pieces(cloud.view(Nics).guests_on(network_id).looked_at()):
            for vm in some:
                found += leases_of(vm, {network_id: domains[network_id]})
    return found


def changed_leases(
    cloud: Cloud, frame: Frame, guests: Iterable[UUID]
) -> tuple[list[Lease], list[UUID]]:
    """Those that these guests have now, and their cards that have none."""
    domains, come, gone = dict(frame), list[Lease](), list[UUID]()
    for vm in map(cloud[vms].get, guests):
        if vm is not None:
            mine = list(leases_of(vm, domains))
            come += mine
            gone += {nic.id for nic in vm.nics} - {one.nic_id for one in mine}
    return come, gone


def leases_of(vm: Vm, domains: dict[UUID, str]) -> Iterator[Lease]:
    """Of a guest's cards on these networks. One that is off has them too: they are promised."""
    for nic in vm.nics:
        if nic.network_id in domains and nic.ip4:
            yield Lease(
                nic_id=nic.id,
                mac=nic.mac,
                ip4=nic.ip4,
                name=vm.name,
                domain=domains[nic.network_id],
                leads_out=nic.is_default,
                options=tuple(sorted((nic.dhcp_options or {}).items())),
            )
