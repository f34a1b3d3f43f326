"""What in a cloud waits for a person, and what to do about it: read from the fold of its log.

A server need not run for it, and is not disturbed where one does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from aggregates.host import HostState
from aggregates.storage_pool import PoolState
from engine.chores.capacity import places, too_full
from engine.decisions.storage_pool import FULL, THRESHOLD
from projections.api_key import api_keys
from projections.cloud import Cloud
from projections.finding import FindingKind, findings
from projections.host import hosts
from projections.router import routers
from projections.saga import RunState, saga_runs
from projections.setting import number_of
from projections.space import Space
from projections.ssl_cert import ssl_certs
from projections.storage_pool import StoragePool, storage_pools
from projections.user import users
from projections.webhook import webhooks
from projections.webhook_delivery import WebhookDelivery, webhook_deliveries
from projections.zone import zones
from sagastack.check import Check
from sagastack.tools.moments import iso

MOST = 5
"""So many of a kind are told; of more there is the number."""
SHORT = 200
Told = Iterator[str]


def symptoms(cloud: Cloud, now_ms: int) -> list[Check]:
    """Every look at a cloud, in the order in which its troubles hold people up."""
    return [
        _check(name, list(look(cloud, now_ms)), well, remedy) for name, look, well, remedy in LOOKS
    ]


def _check(name: str, told: list[str], well: str, remedy: str) -> Check:
    if not told:
        return Check(name, True, well)
    more = f"; and {len(told) - MOST} more" if len(told) > MOST else ""
    return Check(name, False, "; ".join(islice(told, MOST)) + more, remedy)


def _parked(cloud: Cloud, now_ms: int) -> Told:
    for run in cloud[saga_runs].by("state", RunState.PARKED):
        why = run.error_text[:SHORT] or run.error
        yield f"{run.command or run.name} {run.id} is parked at {run.failed_step}: {why}"


def _away(cloud: Cloud, now_ms: int) -> Told:
    for host in cloud[hosts].by("state", HostState.DISCONNECTED):
        since = iso(host.disconnected_at_ms)
        yield f"{host.name} ({host.url}) has not answered since {since}"


def _closed(cloud: Cloud, now_ms: int) -> Told:
    """A zone is Disabled from its making until an administrator lets people in."""
    if not any(zone.allocation_state == "Enabled" for zone in cloud[zones]):
        yield from (f"{zone.name} is {zone.allocation_state}" for zone in cloud[zones])


def _full_pools(cloud: Cloud, now_ms: int) -> Told:
    space = cloud.view(Space)
    for pool in cloud[storage_pools]:
        if pool.state is PoolState.UP:
            held = space.pools[pool.id].used_bytes if pool.id in space.pools else 0
            yield from _fullness(cloud, pool, held)


def _fullness(cloud: Cloud, pool: StoragePool, held_bytes: int) -> Told:
    """Whether a pool takes no more volumes, and by which setting."""
    offered = pool.offered_bytes * pool.overprovision
    for setting, word, used, total in (
        (FULL, "used", pool.used_bytes, pool.capacity_bytes),
        (THRESHOLD, "promised", held_bytes, offered),
    ):
        share = number_of(cloud, setting, pool.id, pool.zone_id)
        if total and used > share * total:
            much = f"{100 * used / total:.0f} % of it are {word}"
            yield f"{pool.name} is full: {much}, {100 * share:g} % may be ({setting})"


def _full_places(cloud: Cloud, now_ms: int) -> Told:
    yield from (full.text for one in places(cloud) for full in too_full(cloud, one))


def _unlike_the_log(cloud: Cloud, now_ms: int) -> Told:
    """Findings that nobody has put away. What is too full is told above, as it is now."""
    for one in cloud[findings]:
        if not one.shelf and one.finding is not FindingKind.TOO_FULL:
            yield one.text[:SHORT]


def _ailing_routers(cloud: Cloud, now_ms: int) -> Told:
    for one in cloud[routers]:
        if one.trouble:
            yield f"{one.name}: {one.trouble[:SHORT]}"


def _dead_webhooks(cloud: Cloud, now_ms: int) -> Told:
    latest: dict[int, WebhookDelivery] = {}
    for one in cloud[webhook_deliveries]:
        known = latest.get(one.webhook_id.int)
        if known is None or known.started_at_ms <= one.started_at_ms:
            latest[one.webhook_id.int] = one
    for hook in cloud[webhooks]:
        last = latest.get(hook.id.int)
        if hook.state == "Enabled" and last is not None and not last.success:
            why = last.response[:SHORT]
            yield f"{hook.name} ({hook.payload_url}) failed at {iso(last.ended_at_ms)}: {why}"


def _expired(cloud: Cloud, now_ms: int) -> Told:
    for key in cloud[api_keys]:
        if key.expires_at_ms is not None and key.expires_at_ms <= now_ms:
            user = cloud[users].get(key.user_id)
            whose = user.name if user is not None else str(key.user_id)
            yield f"key {key.name or key.key} of user {whose} ended at {iso(key.expires_at_ms)}"
    for cert in cloud[ssl_certs]:
        if cert.ends_at_ms <= now_ms:
            yield f"certificate {cert.name} ended at {iso(cert.ends_at_ms)}"


LOOKS: tuple[tuple[str, Callable[[Cloud, int], Told], str, str], ...] = (
    (
        "jobs",
        _parked,
        "none is parked",
        "mend the cause (listJobSteps jobid=... shows how far it is), then mendAsyncJob jobid=... "
        "way=retry; or skip the step, or undo the job",
    ),
    (
        "hosts",
        _away,
        "none is out of reach",
        "see that it runs and answers at that address, and that its sign-in is right "
        "(updateHostPassword); the next look finds it. `sagastack history host NAME` says why",
    ),
    (
        "zones",
        _closed,
        "none is in the way",
        "where users shall be let in: updateZone id=... allocationstate=Enabled",
    ),
    (
        "pools",
        _full_pools,
        "each Up has room",
        "delete or move volumes, add a pool (createStoragePool), or raise the setting",
    ),
    (
        "capacity",
        _full_places,
        "nothing is beyond its threshold",
        "add hosts, pools or ranges of addresses, or raise the setting that is named",
    ),
    (
        "findings",
        _unlike_the_log,
        "the world is as the log says, as far as was seen",
        "look at each (listAlerts), mend it in the world, or put it away: archiveAlerts ids=...",
    ),
    (
        "routers",
        _ailing_routers,
        "each does what its network's rules ask for",
        "see to what is said (docs/networks.md): its host is told again within a minute",
    ),
    (
        "webhooks",
        _dead_webhooks,
        "none failed of late",
        "see that the address answers 2xx, change it or turn the webhook off (updateWebhook); "
        "executeWebhookDelivery tries it",
    ),
    (
        "keys",
        _expired,
        "none has expired",
        "make another (createUserKey, uploadSslCert) and remove the old one (deleteUserKey, "
        "deleteSslCert)",
    ),
)
