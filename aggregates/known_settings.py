"""Every setting that there is: its type, its range, its default, where it may be set, what it does.

What running a cloud needs stands in `operation_settings`; here is what the other nouns read.
"""

from __future__ import annotations

from collections.abc import Iterator

from aggregates.operation_settings import OPERATION
from aggregates.resource_limit import RESOURCES
from aggregates.setting_terms import (
    ACCOUNT,
    CLUSTER,
    WHOLE,
    ZONE,
    KnownSetting,
)

UNITS = {"memory": " in MiB", "primary_storage": " in GiB", "secondary_storage": " in GiB"}

_OWN = (
    KnownSetting(
        "cpu.overprovisioning.factor",
        "Decimal",
        "1.0",
        "how much more CPU than its hosts have may be promised in a new cluster",
        scopes=CLUSTER,
        between=(0.1, 100),
    ),
    KnownSetting(
        "mem.overprovisioning.factor",
        "Decimal",
        "1.0",
        "how much more memory than its hosts have may be promised in a new cluster",
        scopes=CLUSTER,
        between=(0.1, 100),
    ),
    KnownSetting(
        "storage.overprovisioning.factor",
        "Decimal",
        "2.0",
        "how much more space than it has may be promised in a new storage pool",
        category="Storage",
        scopes=ZONE,
        between=(0.1, 100),
    ),
    KnownSetting(
        "network.router.on.hosts",
        "Boolean",
        "true",
        "whether routers of guest networks run on hosts that can run them, or are records alone",
        category="Network",
        scopes=ZONE,
    ),
    KnownSetting(
        "allow.user.create.projects",
        "Boolean",
        "true",
        "whether users may create projects",
        category="Project",
    ),
    KnownSetting(
        "api.key.access",
        "Boolean",
        "true",
        "whether users may sign with API keys where neither they nor their accounts say so",
        category="Account",
    ),
    KnownSetting(
        "enable.user.2fa",
        "Boolean",
        "false",
        "whether users may protect their sessions by a second factor",
        category="Account",
    ),
    KnownSetting(
        "mandate.user.2fa",
        "Boolean",
        "false",
        "whether every session needs a second factor; who has none can only set one up",
        category="Account",
    ),
    KnownSetting(
        "user.2fa.issuer",
        "String",
        "Sagastack",
        "the name under which an authenticator app keeps a user's secret",
        category="Account",
    ),
    KnownSetting(
        "project.invite.required",
        "Boolean",
        "false",
        "whether whoever is added to a project is asked first",
        category="Project",
    ),
    KnownSetting(
        "project.invite.timeout",
        "Integer",
        "86400",
        "seconds in which an invitation into a project can be accepted",
        category="Project",
        between=WHOLE,
    ),
    KnownSetting(
        "local.storage.path",
        "String",
        "/var/lib/sagastack/pool",
        "folder of a host that is to serve as its own storage; nothing reads it here yet",
        category="Storage",
        scopes=ZONE,
        kept=True,
    ),
    KnownSetting(
        "blacklisted.routes",
        "String",
        "",
        "subnets, with commas, that no static route of a VPC may lead to",
        category="Network",
        scopes=ZONE,
    ),
    KnownSetting(
        "remote.access.vpn.client.iprange",
        "String",
        "10.1.2.1-10.1.2.8",
        "addresses for those who dial in, unless a VPN says others",
        category="Network",
    ),
    KnownSetting(
        "remote.access.vpn.user.limit",
        "Integer",
        "8",
        "VPN users that an account may have",
        category="Network",
        between=WHOLE,
    ),
    KnownSetting(
        "expunge.delay",
        "Integer",
        "86400",
        "seconds until what was destroyed is expunged",
        between=WHOLE,
    ),
    KnownSetting(
        "allow.user.expunge.recover.vm",
        "Boolean",
        "false",
        "whether users who are no administrators may expunge and recover guests",
        scopes=ACCOUNT,
    ),
    KnownSetting(
        "allow.user.view.destroyed.vm",
        "Boolean",
        "false",
        "whether users who are no administrators see destroyed guests in lists",
        scopes=ACCOUNT,
    ),
    KnownSetting(
        "enable.dynamic.scale.vm",
        "Boolean",
        "false",
        "whether guests are started with room to grow while they run",
        scopes=ZONE,
    ),
    KnownSetting(
        "restart.retry.interval",
        "Integer",
        "600",
        "seconds until a guest with high availability that could not be started is tried again",
        between=WHOLE,
    ),
    KnownSetting(
        "vmsnapshot.max",
        "Integer",
        "10",
        "how many VM snapshots of one guest may be kept",
        category="Snapshots",
        between=WHOLE,
    ),
    KnownSetting(
        "vm.stats.interval",
        "Integer",
        "60000",
        "milliseconds between two measurements of guests; 0 for none",
        between=(0, 86_400_000),
    ),
    KnownSetting(
        "enable.usage.server",
        "Boolean",
        "true",
        "whether usage is told",
        category="Usage",
    ),
    KnownSetting(
        "usage.timezone",
        "String",
        "GMT",
        "the time zone whose days usage is told by",
        category="Usage",
    ),
    KnownSetting(
        "usage.stats.job.aggregation.range",
        "Integer",
        "1440",
        "minutes that a usage record is about: 10 to 1440, which is a day",
        category="Usage",
        between=(10, 1440),
    ),
    KnownSetting(
        "allow.public.user.templates",
        "Boolean",
        "true",
        "whether users may make their templates and ISOs public",
        category="Storage",
    ),
    KnownSetting(
        "max.template.iso.size",
        "Integer",
        "50",
        "GiB that a template, an ISO or an uploaded volume may have at most",
        category="Storage",
        between=WHOLE,
    ),
    KnownSetting(
        "secstorage.allowed.internal.sites",
        "String",
        "",
        "networks inside, such as 10.1.0.0/16, that users may name in the URL of an image",
        category="Storage",
    ),
    KnownSetting(
        "webhook.allowed.internal.sites",
        "String",
        "",
        "networks inside, such as 10.1.0.0/16, that webhooks may be delivered to",
    ),
    KnownSetting(
        "webhook.delivery.timeout",
        "Integer",
        "10",
        "seconds in which a webhook's endpoint must have answered",
        between=(1, 300),
    ),
    KnownSetting(
        "webhook.delivery.tries",
        "Integer",
        "3",
        "how often an event is sent to a webhook's endpoint before it is given up",
        between=(1, 100),
    ),
    KnownSetting(
        "webhook.deliveries.limit",
        "Integer",
        "10",
        "how many deliveries of a webhook are kept for the list",
        between=(0, 1000),
    ),
    KnownSetting(
        "endpoint.url",
        "String",
        "http://localhost:8080/client/api",
        "where clients reach this server: the URLs of downloads and uploads begin there",
    ),
    KnownSetting(
        "extract.url.expiration.interval",
        "Integer",
        "14400",
        "seconds for which the URL of a download works",
        category="Storage",
        between=WHOLE,
    ),
    KnownSetting(
        "extract.url.cleanup.interval",
        "Integer",
        "7200",
        "seconds between two clean-ups of what expired downloads left; it is done every minute",
        category="Storage",
        kept=True,
        between=WHOLE,
    ),
    KnownSetting(
        "upload.operation.timeout",
        "Integer",
        "10",
        "minutes for which the URL of an upload works",
        category="Storage",
        between=WHOLE,
    ),
)

# (name, kind, default, category): set by tools, read by nothing here yet.
_KEPT: tuple[tuple[str, str, str, str], ...] = (
    ("account.cleanup.interval", "Integer", "86400", "Account"),
    ("agent.lb.enabled", "Boolean", "false", "Advanced"),
    ("alert.wait", "Integer", "1800", "Alert"),
    ("check.pod.cidrs", "Boolean", "true", "Network"),
    ("cloud.kubernetes.service.enabled", "Boolean", "false", "Advanced"),
    ("consoleproxy.sslEnabled", "Boolean", "false", "Console Proxy"),
    ("direct.agent.load.size", "Integer", "16", "Advanced"),
    ("enable.ec2.api", "Boolean", "false", "Advanced"),
    ("host.maintenance.retries", "Integer", "20", "Advanced"),
    ("init.check.interval", "Integer", "10", "Advanced"),
    ("integration.api.port", "Integer", "0", "Advanced"),
    ("management.network.cidr", "String", "192.168.0.0/16", "Network"),
    ("network.gc.interval", "Integer", "600", "Network"),
    ("network.gc.wait", "Integer", "600", "Network"),
    ("network.loadbalancer.basiczone.elb.enabled", "Boolean", "false", "Network"),
    ("ping.interval", "Integer", "60", "Advanced"),
    ("ping.timeout", "Decimal", "2.5", "Advanced"),
    ("router.check.interval", "Integer", "30", "Network"),
    ("router.stats.interval", "Integer", "300", "Network"),
    ("system.vm.use.local.storage", "Boolean", "false", "Storage"),
    ("task.cleanup.retry.interval", "Integer", "600", "Advanced"),
    ("use.system.guest.vlans", "Boolean", "true", "Network"),
    ("vm.op.lock.state.retry", "Integer", "5", "Advanced"),
    ("vm.op.wait.interval", "Integer", "120", "Advanced"),
    ("wait", "Integer", "1800", "Advanced"),
    ("workers", "Integer", "10", "Advanced"),
)

_STORAGE = (
    KnownSetting(
        "storage.max.volume.size",
        "Integer",
        "2000",
        "GiB that a volume may have",
        category="Storage",
        between=WHOLE,
    ),
    *(
        KnownSetting(
            f"snapshot.max.{interval}",
            "Integer",
            "8",
            f"how many {interval} snapshots of a volume a policy may keep",
            category="Snapshots",
            between=WHOLE,
        )
        for interval in ("hourly", "daily", "weekly", "monthly")
    ),
)


def _limits() -> Iterator[KnownSetting]:
    """How much of each resource everybody may have for whom nothing else was said."""
    for one in RESOURCES.values():
        owners = {"account": one.account, "domain": one.domain, "project": one.project}
        for owner, default in owners.items():
            if owner != "project" or one.name != "project":
                yield KnownSetting(
                    f"max.{owner}.{one.words}",
                    "Integer",
                    str(default),
                    f"how much {one.name} any {owner} may have{UNITS.get(one.name, '')}; -1: any",
                    category="Account",
                    between=(-1, 2**53),
                )
    for kind in ("host", "storage"):
        text = f"{kind} tags, with commas, by which things are limited besides"
        name = f"resource.limit.{kind}.tags"
        yield KnownSetting(name, "String", "", text, category="Account")


def _all() -> Iterator[KnownSetting]:
    yield from _OWN
    yield from OPERATION
    yield from _limits()
    yield from _STORAGE
    text = "known so that tools can set it; nothing reads it here"
    for name, kind, default, category in _KEPT:
        yield KnownSetting(name, kind, default, text, category, kept=True, scopes=CLUSTER)


KNOWN: dict[str, KnownSetting] = {one.name: one for one in sorted(_all(), key=lambda s: s.name)}
