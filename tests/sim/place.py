"""What the tenants find beside the benchmark's zone: another pool, public addresses, a disc."""

from __future__ import annotations

from typing import Any

from benchmarks.cloud import BY, CLUSTER, POD, ZONE, named
from engine.engine import Engine
from engine.genesis import ADMIN_ACCOUNT, BUILTIN_TEMPLATE, ROOT_DOMAIN, stable_id
from engine.intents.iso import RegisterIso
from engine.intents.record import CreateRecord
from engine.intents.setting import ChangeSetting
from engine.intents.storage_pool import AddStoragePool
from engine.intents.template import UpdateTemplate
from engine.intents.vlan_ip_range import CreateVlanIpRange

MEDIUM = stable_id("service_offering", "Medium Instance")
TENANTS = 3
HOSTS = 5
HOST_URLS = tuple(f"sim://host{number}" for number in range(HOSTS))
SETTINGS = {"enable.dynamic.scale.vm": "true", "expunge.delay": "20"}


def account(name: str) -> dict[str, Any]:
    """The fields of a tenant's account."""
    role = {"role_id": stable_id("role", "User"), "role_type": "User"}
    return {"name": name, "domain_id": ROOT_DOMAIN, **role}


async def complete(engine: Engine) -> None:
    """Add to the zone what issue with tenants is about."""
    pool = AddStoragePool(
        id=named("pool2"), name="pool2", url="sim://pool2", scope="CLUSTER", zone_id=ZONE,
        pod_id=POD, cluster_id=CLUSTER,
    )  # fmt: skip
    await engine.perform(pool, BY)
    public = {
        "zone_id": ZONE, "gateway": "198.51.100.1", "netmask": "255.255.255.0",
        "start_ip": "198.51.100.10", "end_ip": "198.51.100.40",
    }  # fmt: skip
    await engine.decide(CreateVlanIpRange(id=named("public"), fields=public), BY)
    disc = RegisterIso(
        template_id=named("disc"), account_id=ADMIN_ACCOUNT, domain_id=ROOT_DOMAIN, name="disc",
        display_text="disc", url="sim://disc", hypervisor="Simulator", image_format="ISO",
        trusted=True,
    )  # fmt: skip
    await engine.perform(disc, BY)
    grows = UpdateTemplate(template_id=BUILTIN_TEMPLATE, fields={"is_dynamically_scalable": True})
    await engine.decide(grows, BY)
    for name, value in SETTINGS.items():
        await engine.decide(ChangeSetting(id=named(name), name=name, value=value), BY)
    for number in range(TENANTS):
        tenant = CreateRecord(
            kind="account", id=named(f"tenant {number}"), fields=account(f"tenant{number}")
        )
        await engine.decide(tenant, BY)
