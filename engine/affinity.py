"""What a guest's affinity groups ask of the allocator, and how two placements of one group meet.

A strict group is a rule, the others are wishes. Where the members are is what the capacity ledgers
say: there a guest counts from the moment it is promised a host until it has left it, so one that
is just starting, or that moves, counts on every host that it may be on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aggregates.affinity_group import AffinityGroup, AffinityGroupPlaced
from aggregates.vm import Vm
from engine.decide import Desk
from engine.saga import Run
from projections.affinity_group import affinity_groups, members
from projections.capacity import Capacity
from projections.cloud import Cloud
from projections.host import hosts

NOWHERE: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Wishes:
    """Hosts to avoid and to keep to, as rules and as wishes; `words` tells people why."""

    avoid: frozenset[UUID] = NOWHERE
    only: frozenset[UUID] | None = None
    prefer: frozenset[UUID] = NOWHERE
    prefer_not: frozenset[UUID] = NOWHERE
    words: tuple[str, ...] = ()


NONE = Wishes()


def wishes_of(cloud: Cloud, group_ids: tuple[UUID, ...], vm_id: UUID | None = None) -> Wishes:
    """What these groups ask for a guest. Nothing is looked up for a guest without groups."""
    found = NONE
    for group in groups_of(cloud, group_ids):
        taken = frozenset(_hosts_of_members(cloud, group, but=vm_id))
        if taken:
            found = _with(found, group, taken, _words(cloud, group, taken))
    return found


def groups_of(cloud: Cloud, group_ids: tuple[UUID, ...]) -> Iterator[AffinityGroup]:
    """The groups that still exist."""
    table = cloud[affinity_groups]
    return (row for row in map(table.get, group_ids) if row is not None)


def meet(at: Desk | Run[Any], vm: Vm, host_id: UUID) -> None:
    """Make two placements of one strict group collide, so that the later one sees the earlier."""
    for group in groups_of(at.cloud, vm.affinity_group_ids):
        if group.is_strict:
            placed = AffinityGroupPlaced(vm_id=vm.id, host_id=host_id)
            at.change(at.row(affinity_groups, group.id), placed)


def _hosts_of_members(cloud: Cloud, group: AffinityGroup, but: UUID | None) -> Iterator[UUID]:
    capacity = cloud.view(Capacity)
    for vm in members(cloud, group):
        if vm.id != but:
            yield from (held.host_id for held in capacity.holds_of_vm(vm.id))


def _with(so_far: Wishes, group: AffinityGroup, taken: frozenset[UUID], words: str) -> Wishes:
    only = so_far.only
    if group.is_strict and not group.keeps_apart:
        only = taken if only is None else only & taken
    strict_apart = group.is_strict and group.keeps_apart
    lax_apart = not group.is_strict and group.keeps_apart
    lax_together = not group.is_strict and not group.keeps_apart
    return Wishes(
        avoid=so_far.avoid | taken if strict_apart else so_far.avoid,
        only=only,
        prefer=so_far.prefer | taken if lax_together else so_far.prefer,
        prefer_not=so_far.prefer_not | taken if lax_apart else so_far.prefer_not,
        words=(*so_far.words, words) if group.is_strict else so_far.words,
    )


def _words(cloud: Cloud, group: AffinityGroup, taken: frozenset[UUID]) -> str:
    names = sorted(row.name for one in taken if (row := cloud[hosts].get(one)) is not None)
    verb = "keeps it away from" if group.keeps_apart else "ties it to"
    return f"affinity group {group.name} ({group.kind}) {verb} {', '.join(names)}"
