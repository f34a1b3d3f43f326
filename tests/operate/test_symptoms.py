"""The doctor names what in a cloud waits for a person, by its name and with what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.intents import SYSTEM
from engine.intents.host import HostLost
from engine.intents.record import CreateRecord
from sagastack.check import Check
from sagastack.doctor import examine
from sagastack.symptoms import MOST, symptoms
from tests.tenant.test_job_life import until
from tests.tenant.world import SMALL, TEMPLATE, ZONE, Place, named, place

FULL = "pool.storage.allocated.capacity.disablethreshold"
WELL = ["jobs", "hosts", "zones", "pools", "capacity", "findings", "routers", "webhooks", "keys"]


def ill(here: Place) -> dict[str, Check]:
    """What is not well in the cloud, by its name."""
    now_ms = here.controller.gateway.now_ms()
    return {one.name: one for one in symptoms(here.controller.cloud, now_ms) if not one.ok}


async def record(here: Place, kind: str, **fields: Any) -> None:
    ask = CreateRecord(kind=kind, id=named(f"{kind} {fields}"), fields=fields)
    await here.controller.engine.decide(ask, SYSTEM)


async def test_a_cloud_that_is_well_has_none(here: Place) -> None:
    assert [one.name for one in symptoms(here.controller.cloud, 0)] == WELL
    assert ill(here) == {}


async def test_a_parked_job_is_named_with_its_step_and_its_ways_out(tmp_path: Path) -> None:
    async with place(tmp_path, **{"fail.remove_guest": "1.0:refused"}) as here:
        asked = {"zoneid": str(ZONE), "serviceofferingid": SMALL, "templateid": TEMPLATE}
        made = await here.ann.job("deployVirtualMachine", name="web", **asked)
        vm_id = made["virtualmachine"]["id"]
        began = await here.admin("destroyVirtualMachine", id=vm_id, expunge="true")
        await until(here.admin, began["jobid"], "Parked")
        (jobs,) = ill(here).values()
        assert jobs.name == "jobs" and "mendAsyncJob" in jobs.remedy
        assert f"destroyVirtualMachine {began['jobid']} is parked at remove_guest" in jobs.found
        # A tool tells the same of the folder, while the controller serves it.
        told = {one.name: one for one in await examine(here.controller.settings)}
        assert told["jobs"] == jobs
        assert told["server"].ok and here.controller.endpoint in told["server"].found


async def test_a_lost_host_is_named_with_its_address(here: Place) -> None:
    host = here.controller.cloud.table("host")[named("host 2")]
    await here.controller.engine.decide(HostLost(id=host.id, why="gone"), SYSTEM)
    (hosts,) = ill(here).values()
    assert hosts.name == "hosts" and "h2 (sim://tenant-h2" in hosts.found
    assert hosts.found.count("has not answered since") == 1


async def test_a_router_that_ails_is_named_with_what_ails_it(here: Place) -> None:
    fields = {"name": "r-1-VM", "trouble": "there is no nft: apt-get install nftables"}
    owner = {"account_id": named("account ann"), "domain_id": named("domain ann")}
    await record(here, "router", zone_id=ZONE, state="Stopped", **owner, **fields)
    (routers,) = ill(here).values()
    assert (routers.name, routers.found) == ("routers", f"r-1-VM: {fields['trouble']}")


async def test_a_full_pool_is_named_with_its_setting(here: Place) -> None:
    asked = {"zoneid": str(ZONE), "serviceofferingid": SMALL, "templateid": TEMPLATE}
    await here.ann.job("deployVirtualMachine", name="web", **asked)
    assert ill(here) == {}
    await here.admin("updateConfiguration", name=FULL, value="0.0001")
    (pools,) = ill(here).values()
    assert pools.name == "pools" and "pool is full" in pools.found and FULL in pools.found


async def test_a_zone_that_lets_nobody_in_is_named(here: Place) -> None:
    await here.admin("updateZone", id=str(ZONE), allocationstate="Disabled")
    (zones,) = ill(here).values()
    assert "z1 is Disabled" in zones.found and "allocationstate=Enabled" in zones.remedy


async def test_a_dead_webhook_is_named_until_it_answers(here: Place) -> None:
    """The latest delivery counts; a webhook that is turned off waits for nobody."""
    owner = {"account_id": named("account ann"), "domain_id": named("domain ann")}
    hook_id = named("hook")
    hook = CreateRecord(
        kind="webhook",
        id=hook_id,
        fields={"name": "ci", "payload_url": "https://ci.invalid/", "state": "Disabled", **owner},
    )
    await here.controller.engine.decide(hook, SYSTEM)
    sent = {"webhook_id": hook_id, "event_id": hook_id, "event_type": "VM.START", "payload": "{}"}
    sent |= {"headers": "", "attempts": 3, **owner}

    async def answered(at_ms: int, response: str, *, success: bool) -> None:
        when = {"started_at_ms": at_ms, "ended_at_ms": at_ms}
        await record(here, "webhook_delivery", success=success, response=response, **sent, **when)

    await answered(1000, "failed: no route", success=False)
    assert ill(here) == {}
    here.controller.cloud.table("webhook")[hook_id].state = "Enabled"
    (webhooks,) = ill(here).values()
    assert "ci (https://ci.invalid/) failed at" in webhooks.found and "no route" in webhooks.found
    await answered(2000, "200 OK", success=True)
    assert ill(here) == {}


async def test_expired_keys_are_named_with_their_user_and_no_more_than_a_few(here: Place) -> None:
    key = {"user_id": named("user ann"), "secret_ref": str(named("none")), "is_main": False}
    await record(here, "api_key", key="later", expires_at_ms=2**42, **key)
    assert ill(here) == {}
    for number in range(MOST + 2):
        await record(here, "api_key", key=f"k{number}", name=f"ci{number}", expires_at_ms=5, **key)
    (keys,) = ill(here).values()
    assert keys.found.startswith("key ci0 of user ann ended at 1970-01-01")
    assert keys.found.endswith("; and 2 more") and f"ci{MOST}" not in keys.found
