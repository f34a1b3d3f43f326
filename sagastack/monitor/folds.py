"""What the cloud is like now, read from its fold: every controller tells the same of it.

A scrape costs little however large the cloud is: states are counted by their indexes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from aggregates.saga import RunState
from projections.addresses import Addresses
from projections.capacities import Place, measured
from projections.capacity import Capacity
from projections.cloud import Cloud
from projections.finding import findings
from projections.host import hosts
from projections.router import routers
from projections.saga import saga_runs
from projections.space import Space
from projections.vm import vms
from projections.zone import zones
from sagastack.monitor.exposition import Family, by_label, gauge

HERTZ = 1_000_000
# CloudStack's numbers of kinds of capacity: the metric's name, what it is, and units in one.
KINDS = {
    0: ("zone_memory", "bytes", "Memory", 1),
    1: ("zone_cpu", "hertz", "CPU", HERTZ),
    3: ("zone_storage", "bytes", "Space of shared storage", 1),
    9: ("zone_local_storage", "bytes", "Space of hosts' own storage", 1),
}
NUMBERS = {4: "public_ip", 5: "private_ip", 7: "vlan", 8: "direct_ip"}


def families(cloud: Cloud) -> Iterator[Family]:
    """Position, sagas, guests, hosts, alerts, promises on their way, and capacity by zone."""
    yield gauge("log_position", "Position of the last event that is folded.", cloud.position)
    about = "Time of the last event that is folded, since 1970."
    yield gauge("log_last_event_timestamp_seconds", about, cloud.at_ms / 1000)
    runs = dict.fromkeys((str(state) for state in RunState if not state.is_over), 0)
    live = gauge("sagas", "Saga runs that are not over, by state.")
    counts = _words(cloud[saga_runs].counts("state"))
    yield by_label(live, "state", {state: counts.get(state, 0) for state in runs})
    yield _by_state(gauge("vms", "Guests by state."), cloud[vms].counts("state"))
    yield _by_state(gauge("hosts", "Hosts by state."), cloud[hosts].counts("state"))
    kept = Counter(str(row.resource_state) for row in cloud[hosts])
    yield by_label(gauge("hosts_resource", "Hosts by what operators let them do."), "state", kept)
    yield by_label(gauge("routers", "Routers by how they are."), "state", _routers(cloud))
    shown = Counter(str(row.finding) for row in cloud[findings] if not row.shelf)
    yield by_label(gauge("alerts", "Alerts that are listed, by kind."), "kind", shown)
    yield _sensors(cloud)
    yield _promised(cloud)
    yield from _capacity(cloud)


def _routers(cloud: Cloud) -> dict[str, int]:
    """Those that do all that is asked of them, those that do not, and those that are records."""
    found = dict.fromkeys(("well", "ailing", "record"), 0)
    for row in cloud[routers]:
        found["ailing" if row.trouble else "record" if row.host_id is None else "well"] += 1
    return found


def _sensors(cloud: Cloud) -> Family:
    family = gauge("host_sensor", "What the instruments of hosts showed when last measured.")
    for host_id, sample in cloud.vitals.hosts():
        if sample.sensors and (host := cloud[hosts].get(host_id)) is not None:
            for one in sample.sensors:
                family.add(one.value, host=host.name, sensor=one.name, unit=one.unit)
    return family


def _promised(cloud: Cloud) -> Family:
    family = gauge("allocator_pending", "Promises decided here and not on disk yet, by ledger.")
    waiting = {
        "host": len(cloud.view(Capacity).pendings),
        "pool": len(cloud.view(Space).pendings),
        "address": len(cloud.view(Addresses).pendings),
    }
    return by_label(family, "ledger", waiting)


def _capacity(cloud: Cloud) -> Iterator[Family]:
    """Used and offered of each kind, a sample a zone: zones are few, and the operator's own."""
    told: dict[str, Family] = {}
    for name, unit, what, _ in KINDS.values():
        told[f"{name}_used"] = gauge(f"{name}_used_{unit}", f"{what} that is promised.")
        told[f"{name}_capacity"] = gauge(f"{name}_capacity_{unit}", f"{what} on offer.")
    told["used"] = gauge("zone_addresses_used", "Addresses and VLANs that are taken.")
    told["capacity"] = gauge("zone_addresses_capacity", "Addresses and VLANs that there are.")
    for zone in sorted(cloud[zones], key=lambda row: row.name):
        for kind, used, total in measured(cloud, Place(zone.id)):
            if kind in KINDS:
                name, _, _, scale = KINDS[kind]
                told[f"{name}_used"].add(used * scale, zone=zone.name)
                told[f"{name}_capacity"].add(total * scale, zone=zone.name)
            elif kind in NUMBERS:
                told["used"].add(used, zone=zone.name, kind=NUMBERS[kind])
                told["capacity"].add(total, zone=zone.name, kind=NUMBERS[kind])
    yield from told.values()


def _by_state(family: Family, counts: Mapping[Any, int]) -> Family:
    return by_label(family, "state", _words(counts))


def _words(counts: Mapping[Any, int]) -> dict[str, float]:
    return {str(value): float(count) for value, count in counts.items()}
