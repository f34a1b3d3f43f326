"""The host that a request gets: its rules first, its wishes while they can be met."""

from __future__ import annotations

from collections.abc import Iterator, Set
from uuid import UUID

import numpy as np

from engine.allocator.plans import Plan, Plans
from engine.allocator.policy import first_fit
from engine.allocator.reach import Reach, Reached, is_served
from engine.allocator.request import PlaceRequest
from projections.capacity_columns import HostColumns, Mask
from projections.space import Space

NONE: frozenset[int] = frozenset()


class Choice:
    """Chooses hosts, and keeps from one request to the next what was found out for it."""

    def __init__(self, space: Space) -> None:
        self._plans, self.reach = Plans(), Reach(space)

    def choose(self, hosts: HostColumns, ask: PlaceRequest) -> int | None:
        """The slot to place on, or None when every host refuses."""
        plan = self._plans.get(hosts, ask)
        within = uncrowded(hosts, ask) if ask.crowded else None
        if _is_plain(ask):
            barred = _barred(hosts, ask) if ask.avoid or ask.barred else NONE
            if within is None and plan.index is not None:
                slot = plan.index.find(hosts, barred)
            else:
                slot = plan.find(hosts, ask, barred, within)
        else:
            slot = _chosen(hosts, plan, ask, within)
        if slot is None or not ask.volumes or is_served(self.reach.of(hosts, slot), ask.volumes):
            return slot
        # Storage rarely decides, so who reaches it is worked out only when it does.
        reach = self.reach.mask(hosts, ask.volumes)
        return _chosen(hosts, plan, ask, reach if within is None else reach & within)

    def each(self, hosts: HostColumns, ask: PlaceRequest) -> Iterator[int]:
        """What `choose` answers, again and again, while nothing happens but that room is taken."""
        plan = self._plans.get(hosts, ask)
        if plan.index is None or ask.crowded or not _is_plain(ask):
            while (found := self.choose(hosts, ask)) is not None:
                yield found
            return
        slots, volumes = plan.index.each(hosts, _barred(hosts, ask)), ask.volumes
        if not volumes:
            yield from slots
            return
        known = self.reach.known(hosts)
        serving: Reached | None = None  # what the host before reached, as many reach the same
        for slot in slots:
            reached = known[slot]
            if reached is not serving or reached is None:
                reached = self.reach.of(hosts, slot)
                if not is_served(reached, volumes):
                    break
                serving = reached
            yield slot
        else:
            return
        # From here on storage decides.
        while (found := self.choose(hosts, ask)) is not None:
            yield found


def uncrowded(hosts: HostColumns, request: PlaceRequest) -> Mask | None:
    """The hosts outside the clusters named as closed; None if that is all of them."""
    if not request.crowded or request.host_id is not None:
        return None
    # By place and not by search: there may be as many such clusters as there are clusters.
    is_open = np.ones(len(hosts.places.values) + 1, bool)
    is_open[[hosts.places.find(one) for one in request.crowded]] = False
    mask: Mask = is_open[hosts.cluster]
    return mask


def _is_plain(ask: PlaceRequest) -> bool:
    """Whether it names no host, neither as a rule nor as a wish, but those that it may not have."""
    return not (ask.prefer or ask.prefer_not or ask.host_id is not None or ask.only is not None)


def _chosen(hosts: HostColumns, plan: Plan, ask: PlaceRequest, within: Mask | None) -> int | None:
    """With all its wishes, then with fewer of them, then with none."""
    barred = _barred(hosts, ask) if ask.avoid or ask.barred else NONE
    slot = None
    shy = barred | _slots(hosts, ask.prefer_not) if ask.prefer_not else barred
    if ask.prefer:
        is_free = ask.host_id is None and ask.only is None
        named = ask.prefer if is_free else _allowed(ask, ask.prefer)
        slot = _among(hosts, plan, ask, named, shy, within)
    if slot is None and ask.prefer_not:
        slot = _anywhere(hosts, plan, ask, shy, within)
    return _anywhere(hosts, plan, ask, barred, within) if slot is None else slot


def _anywhere(
    hosts: HostColumns, plan: Plan, ask: PlaceRequest, barred: Set[int], within: Mask | None
) -> int | None:
    if ask.host_id is not None:
        return _among(hosts, plan, ask, _allowed(ask, {ask.host_id}), barred, within)
    if ask.only is not None:
        return _among(hosts, plan, ask, ask.only, barred, within)
    return plan.find(hosts, ask, barred, within)


def _allowed(ask: PlaceRequest, named: Set[UUID]) -> Set[UUID]:
    """Those of the named hosts that the request's own bounds leave."""
    if ask.host_id is not None:
        named = named & {ask.host_id}
    return named if ask.only is None else named & ask.only


def _among(
    hosts: HostColumns,
    plan: Plan,
    ask: PlaceRequest,
    named: Set[UUID],
    barred: Set[int],
    within: Mask | None,
) -> int | None:
    """Of a few named hosts. One by one: that is cheaper than numpy for so few."""
    slot_of, fitting = hosts.numbered.get, []
    for one in named:
        slot = slot_of(one.int)
        if (
            slot is not None
            and plan.has_room(hosts, slot)
            and slot not in barred
            and (within is None or within[slot])
        ):
            fitting.append(slot)
    if len(fitting) < 2:
        return fitting[0] if fitting else None
    fitting.sort()
    return (
        fitting[0]
        if ask.policy is first_fit
        else fitting[ask.policy(hosts, np.array(fitting, np.int64))]
    )


def _barred(hosts: HostColumns, ask: PlaceRequest) -> frozenset[int]:
    if not ask.avoid:
        return _slots(hosts, ask.barred) if ask.barred else NONE
    avoid = _slots(hosts, ask.avoid)
    return avoid | _slots(hosts, ask.barred) if ask.barred else avoid


def _slots(hosts: HostColumns, ids: Set[UUID]) -> frozenset[int]:
    known = map(hosts.numbered.get, [one.int for one in ids])
    return frozenset([slot for slot in known if slot is not None])
