"""Settings by which a cloud is run: pages and sessions, capacity, placement, clean-up, alerts."""

from __future__ import annotations

from collections.abc import Iterator

from aggregates.dns_domain import LONGEST, dns_domain
from aggregates.setting_terms import (
    ACCOUNT,
    CLUSTER,
    POOL,
    SHARE,
    WHOLE,
    ZONE,
    KnownSetting,
)

ALGORITHMS = (
    *("firstfit", "random", "userdispersing", "userconcentratedpod_firstfit"),
    *("userconcentratedpod_random", "firstfitleastconsumed"),
)
DAYS = (0, 36_500)
SECONDS = (1, 31_536_000)

# (name, kind, default, between, what it does)
_GLOBAL: tuple[tuple[str, str, str, tuple[float, float] | None, str], ...] = (
    (
        "default.page.size", "Integer", "500", (1, 10_000),
        "rows that a list without paging gives, and the most that pagesize may ask for",
    ),
    (
        "default.ui.page.size", "Integer", "20", (-1, 10_000),
        "rows that listCapabilities tells consoles to show at a time; -1 for as many as they like",
    ),
    (
        "session.timeout", "Integer", "30", (1, 10_080),
        "minutes without a request after which who signed in must sign in again",
    ),
    (
        "api.throttling.enabled", "Boolean", "false", None,
        "whether accounts may ask only so often; root administrators always may",
    ),
    (
        "api.throttling.interval", "Integer", "1", (1, 86_400),
        "seconds over which the requests of an account are counted",
    ),
    (
        "api.throttling.max", "Integer", "25", (1, 1_000_000),
        "requests that an account may make in that time",
    ),
    (
        "vm.instancename.flag", "Boolean", "false", None,
        "whether the name of a new guest becomes part of the name that hypervisors know it by",
    ),
    (
        "expunge.interval", "Integer", "60", SECONDS,
        "seconds between two looks for destroyed guests whose time has come",
    ),
    (
        "expunge.workers", "Integer", "50", (1, 1000),
        "destroyed guests that are expunged in one look at most",
    ),
    (
        "storage.cleanup.enabled", "Boolean", "true", None,
        "whether destroyed volumes are expunged by themselves when their time has come",
    ),
    (
        "storage.cleanup.interval", "Integer", "60", SECONDS,
        "seconds between two looks for destroyed volumes whose time has come",
    ),
    (
        "event.purge.delay", "Integer", "15", DAYS,
        "days after which events leave the list of events; 0 for never. The log has them all",
    ),
    (
        "event.purge.interval", "Integer", "86400", SECONDS,
        "seconds between two looks for events that are old enough",
    ),
    (
        "alert.purge.delay", "Integer", "0", DAYS,
        "days after which alerts leave the list of alerts; 0 for never",
    ),
    (
        "alert.purge.interval", "Integer", "86400", SECONDS,
        "seconds between two looks for alerts that are old enough",
    ),
    (
        "capacity.check.period", "Integer", "300000", (1000, 86_400_000),
        "milliseconds between two looks at how full everything is; what is too full is an alert",
    ),
    (
        "host.stats.interval", "Integer", "60000", (0, 86_400_000),
        "milliseconds between two measurements of hosts; 0 for none",
    ),
    (
        "kvm.snapshot.enabled", "Boolean", "true", None,
        "whether disks of guests that run on KVM may be snapshotted",
    ),
    (
        "custom.diskoffering.size.min", "Integer", "1", (1, 65_536),
        "GiB that a disk of an offering without a size has at least",
    ),
    (
        "custom.diskoffering.size.max", "Integer", "1024", (1, 65_536),
        "GiB that a disk of an offering without a size has at most",
    ),
    (
        "network.throttling.rate", "Integer", "200", WHOLE,
        "Mbit/s that lists tell of network offerings which name no rate; 0 for no limit",
    ),
    (
        "quota.enable.service", "Boolean", "false", None,
        "whether usage costs something: tariffs, credits, statements and balances",
    ),
    (
        "quota.currency.symbol", "String", "$", None,
        "what amounts of money are shown with",
    ),
    (
        "host", "String", "localhost", None,
        "the address at which listManagementServers says that this controller is",
    ),
)  # fmt: skip

# What part of something may be in use before it is an alert, by its type in listCapacity.
NOTIFIES = {
    0: "cluster.memory.allocated.capacity.notificationthreshold",
    1: "cluster.cpu.allocated.capacity.notificationthreshold",
    2: "cluster.storage.capacity.notificationthreshold",
    3: "cluster.storage.allocated.capacity.notificationthreshold",
    4: "zone.virtualnetwork.publicip.capacity.notificationthreshold",
    5: "pod.privateip.capacity.notificationthreshold",
    7: "zone.vlan.capacity.notificationthreshold",
    8: "zone.directnetwork.publicip.capacity.notificationthreshold",
    9: "cluster.localStorage.capacity.notificationthreshold",
}
_OF = {
    0: "memory of a cluster promised to guests",
    1: "CPU of a cluster promised to guests",
    2: "storage really used",
    3: "storage promised to volumes",
    4: "public addresses in use",
    5: "addresses of a pod in use",
    7: "VLANs of a zone in use",
    8: "guest addresses of shared networks in use",
    9: "storage of hosts promised to volumes",
}
DISABLES = {
    "memory": "cluster.memory.allocated.capacity.disablethreshold",
    "cpu": "cluster.cpu.allocated.capacity.disablethreshold",
}


def _thresholds() -> Iterator[KnownSetting]:
    for kind, name in NOTIFIES.items():
        scopes = CLUSTER if name.startswith("cluster.") else ZONE
        text = f"share of the {_OF[kind]} from which on it is an alert, and lists mark it"
        yield KnownSetting(name, "Decimal", "0.75", text, "Alert", scopes, between=SHARE)
    for what, name in DISABLES.items():
        text = f"share of a cluster's {what} that is promised; what is left takes no new guest"
        yield KnownSetting(name, "Decimal", "0.85", text, "Alert", CLUSTER, between=SHARE)


OPERATION: tuple[KnownSetting, ...] = (
    *(KnownSetting(n, kind, usual, text, between=b) for n, kind, usual, b, text in _GLOBAL),
    *_thresholds(),
    KnownSetting(
        "cluster.threshold.enabled",
        "Boolean",
        "true",
        "whether a cluster that is full by its disable thresholds takes no new guests",
        "Alert",
        ZONE,
    ),
    KnownSetting(
        "vm.allocation.algorithm",
        "String",
        "firstfit",
        "how a host is chosen among those with room, unless a deployment names a planner",
        scopes=ZONE,
        options=ALGORITHMS,
    ),
    KnownSetting(
        "guest.domain.suffix",
        "String",
        "cloud.internal",
        "what DNS domains of networks end with, where neither they nor their owners name one",
        "Network",
        ZONE,
        form=dns_domain(LONGEST - len("cs12345678.")),
    ),
    KnownSetting(
        "allow.user.force.stop.vm",
        "Boolean",
        "true",
        "whether users who are no administrators may cut the power of a guest",
        scopes=ACCOUNT,
    ),
    KnownSetting(
        "allow.user.expunge.recover.volume",
        "Boolean",
        "true",
        "whether users who are no administrators may expunge and recover volumes",
        scopes=ACCOUNT,
    ),
    KnownSetting(
        "host.maintenance.local.storage.strategy",
        "String",
        "Error",
        "what becomes of guests that cannot leave a host alive when it is to be emptied: Error "
        "refuses, ForceStop stops them",
        options=("Error", "ForceStop"),
    ),
    KnownSetting(
        "kvm.rolling.maintenance.stage.timeout",
        "Integer",
        "1800",
        "seconds that an operator's script may take on a host in rolling maintenance",
        between=(1, 82_800),
    ),
    KnownSetting(
        "rolling.maintenance.hooks.dir",
        "String",
        "/etc/sagastack/hooks.d",
        "folder on hosts with the scripts that rolling maintenance runs there",
    ),
    KnownSetting(
        "quota.enable.enforcement",
        "Boolean",
        "false",
        "whether an account that has spent more than its credits is locked",
        "Usage",
        ACCOUNT,
    ),
    KnownSetting(
        "use.system.public.ips",
        "Boolean",
        "true",
        "whether who has public addresses of its own may also take those of everybody",
        "Network",
        ACCOUNT,
    ),
    KnownSetting(
        "pool.storage.capacity.disablethreshold",
        "Decimal",
        "0.85",
        "share of a pool that may really be used before it takes no more new volumes",
        category="Storage",
        scopes=POOL,
        between=SHARE,
    ),
    KnownSetting(
        "pool.storage.allocated.capacity.disablethreshold",
        "Decimal",
        "0.85",
        "share of what a pool offers that is promised to new volumes; the rest is for growth",
        category="Storage",
        scopes=POOL,
        between=SHARE,
    ),
)
