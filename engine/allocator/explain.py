"""Why nobody could serve a request: for each host or pool, the first rule that refused it.

Worked out only when somebody reads it, from what is free at that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import UUID

import numpy as np
from msgspec import Struct

from aggregates.errors import Exhausted
from engine.allocator.hosts import uncrowded
from engine.allocator.plans import bounds_that_count
from engine.allocator.pools import refusal
from engine.allocator.reach import Reach
from engine.allocator.request import PlaceRequest, SpaceRequest
from engine.allocator.shapes import hypervisor_mask, scope_mask, tag_mask
from projections.capacity_columns import HostColumns, Ints, Mask
from projections.space import Space

SHOWN = 20
ELSEWHERE, FITS, STORAGE = "elsewhere", "fits", "without storage"


class Refusal(Struct, frozen=True):
    """One host or pool, which rule refused it, and the figures in words."""

    id: UUID
    reason: str
    text: str


class Explanation(Struct, frozen=True):
    """How many each rule refused, and the first few of them one by one.

    `storage` says why every pool refuses a volume of the guest, if one is refused by all.
    """

    asked: str
    counts: dict[str, int]
    refusals: list[Refusal]
    storage: tuple[Explanation, ...] = ()

    @property
    def lines(self) -> list[str]:
        return self.told(str)

    def told(self, name_of: Callable[[UUID], str]) -> list[str]:
        """Sentences, the first with the totals, then one for each host or pool by its name.

        Of hosts nothing is said where it is the pools that refuse.
        """
        storage = [line for one in self.storage for line in one.told(name_of)]
        if storage and self.counts.keys() <= {ELSEWHERE, STORAGE}:
            return storage
        totals = ", ".join(f"{count} {reason}" for reason, count in self.counts.items())
        rest = sum(self.counts.values()) - len(self.refusals)
        lines = [f"{self.asked}: {totals or 'there is none'}"]
        lines += [f"{name_of(refusal.id)}: {refusal.text}" for refusal in self.refusals]
        if rest > 0 and self.refusals:
            lines.append(f"and {rest} more")
        return lines + storage

    def __str__(self) -> str:
        return "; ".join(self.lines)


class NothingFits(Exhausted):
    """Refused, with the reasons at hand for whoever asks."""

    def __init__(self, explain: Callable[[], Explanation]) -> None:
        super().__init__()
        self._explain = explain
        self._explanation: Explanation | None = None

    @property
    def explanation(self) -> Explanation:
        if self._explanation is None:
            self._explanation = self._explain()
        return self._explanation

    def __str__(self) -> str:
        return str(self.explanation)


def explain_place(
    hosts: HostColumns, space: Space, reach: Reach, request: PlaceRequest
) -> Explanation:
    """Per host, what refused a guest. Hosts outside its zone, pod and cluster are only counted."""
    rules = _rules(hosts, request, np.arange(len(hosts)))
    rules.append((STORAGE, reach.mask(hosts, request.volumes)[: len(hosts)]))
    verdict = np.full(len(hosts), len(rules))
    for index in reversed(range(len(rules))):
        verdict[~rules[index][1]] = index
    names = [name for name, _ in rules] + [FITS]
    counted = np.bincount(verdict, minlength=len(names))
    counts = {name: int(n) for name, n in zip(names, counted, strict=True) if n}
    inside = np.flatnonzero((verdict > 0) & (verdict < len(rules)))[:SHOWN]
    shown = [_host_refusal(hosts, int(slot), names[verdict[slot]], request) for slot in inside]
    total_mhz = request.cpu_count * request.cpu_mhz
    asked = (
        f"no host has room for a guest of {request.cpu_count} cores, {total_mhz} MHz,"
        f" {request.memory_mib} MiB in zone {request.zone_id}"
    )
    storage = _storage(space, request) if STORAGE in counts else ()
    return Explanation(asked, counts, shown, storage)


def _storage(space: Space, request: PlaceRequest) -> tuple[Explanation, ...]:
    """Of each volume that no pool takes, wherever it is; there need not be one."""
    told = (explain_space(space, volume) for volume in request.volumes)
    return tuple(one for one in told if FITS not in one.counts)


def _rules(hosts: HostColumns, request: PlaceRequest, every: Ints) -> list[tuple[str, Mask]]:
    """Each rule by name, in the order in which they refuse; the first is the scope."""
    supplied = np.fromiter((row is not None for row in hosts.supplies), bool, len(hosts))
    here = supplied & scope_mask(hosts, request, every)
    if request.host_id is not None:
        here &= every == hosts.numbered.get(request.host_id.int, -1)
    only = every >= 0 if request.only is None else _isin(hosts, every, request.only)
    roomy, bounds = uncrowded(hosts, request), bounds_that_count(request)
    is_open = every >= 0 if roomy is None else roomy[every]
    if bounds is not None:
        more = request.cpu_count * request.cpu_mhz, request.memory_mib
        is_open &= bounds.open_mask(hosts.clusters, *more)[hosts.cluster[every]]
    return [
        (ELSEWHERE, here),
        ("disabled", hosts.enabled[every] == 1),
        ("of another hypervisor", hypervisor_mask(hosts, request, every)),
        ("without the tags", tag_mask(hosts, request, every)),
        ("kept for others", ~_isin(hosts, every, request.barred)),
        ("avoided", ~_isin(hosts, every, request.avoid)),
        ("outside the affinity group", only),
        ("with too few cores", hosts.cores[every] >= request.cpu_count),
        ("with too slow cores", hosts.core_mhz[every] >= request.cpu_mhz),
        ("short of CPU", hosts.free_mhz[every] >= request.cpu_count * request.cpu_mhz),
        ("short of memory", hosts.free_mib[every] >= request.memory_mib),
        ("in a full cluster", is_open),
    ]


def _isin(hosts: HostColumns, every: Ints, ids: Iterable[UUID]) -> Mask:
    known = [slot for one in ids if (slot := hosts.slot_of(one)) is not None]
    mask: Mask = np.isin(every, known)
    return mask


def _host_refusal(hosts: HostColumns, slot: int, reason: str, request: PlaceRequest) -> Refusal:
    row = hosts.supplies[slot]
    assert row is not None, "a host without supply is elsewhere"
    wanted_mhz, wanted_mib = request.cpu_count * request.cpu_mhz, request.memory_mib
    words = {
        "disabled": "is disabled",
        "of another hypervisor": f"runs {row.hypervisor}, {request.hypervisor} is asked for",
        "without the tags": f"has tags {sorted(row.tags)}, asked for {sorted(request.tags)}",
        "kept for others": "is dedicated to others, or its cluster or pod is",
        "avoided": "must be avoided for this guest",
        "outside the affinity group": "is not among the hosts that this guest is bound to",
        "in a full cluster": "is in a cluster that is promised to its threshold: see the setting "
        "cluster.memory.allocated.capacity.disablethreshold and that for cpu",
        "with too few cores": f"has {row.cpu_count} cores, the guest wants {request.cpu_count}",
        "with too slow cores": f"has cores of {row.cpu_mhz} MHz, asked for {request.cpu_mhz} MHz",
        "short of CPU": f"cpu: wants {wanted_mhz} MHz, has {hosts.free_mhz[slot]} MHz",
        "short of memory": f"memory: wants {wanted_mib} MiB, has {hosts.free_mib[slot]} MiB",
        STORAGE: "reaches no pools with room for all of the guest's volumes",
    }
    return Refusal(hosts.ids[slot], reason, words[reason])


def explain_space(space: Space, request: SpaceRequest) -> Explanation:
    """Per pool, what refused a volume."""
    counts: dict[str, int] = {}
    shown: list[Refusal] = []
    for pool in space.pools.values():
        reason, text = refusal(pool, request) or (FITS, "fits by now")
        counts[reason] = counts.get(reason, 0) + 1
        if reason != ELSEWHERE and len(shown) < SHOWN:
            shown.append(Refusal(pool.id, reason, text))
    asked = f"no pool has room for {request.size_bytes} bytes in zone {request.zone_id}"
    return Explanation(asked, counts, shown)
