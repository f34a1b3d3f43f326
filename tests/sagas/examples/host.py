"""Examples of the sagas of host."""

from __future__ import annotations

from aggregates.rolling_maintenance import RollingMaintenanceBegun
from engine.draft import Draft
from engine.intents.host import (
    AddHost,
    AddHosts,
    ChangeSignIn,
    PrepareHost,
    ReconnectHost,
    RemoveHost,
    SignIn,
)
from engine.intents.rolling_maintenance import RollHost, RollHosts, Scripts
from engine.log import Unit
from projections.host import hosts
from projections.vm import vms
from tests.sagas.rig import Rig
from tests.sagas.seed import (
    CLUSTER,
    HOSTS,
    POD,
    ZONE,
    named,
    running,
)


async def _add_host(rig: Rig) -> object:
    return AddHost(
        id=named("host 4"),
        name="host4",
        url="sim://host4",
        hypervisor="Simulator",
        zone_id=ZONE,
        pod_id=POD,
        cluster_id=CLUSTER,
    )


async def _add_hosts(rig: Rig) -> object:
    """Two at one address, in a cluster that is made for them; each has a password of its own."""
    cluster_id = named("pool of two")
    asks = [
        AddHost(
            id=named(f"pool host {number}"),
            name=f"pool-{number}",
            url=f"sim://pool/{number}",
            hypervisor="Simulator",
            zone_id=ZONE,
            pod_id=POD,
            cluster_id=cluster_id,
            password_ref=str(await rig.vault.put("a password", key=named(f"of pool {number}"))),
        )
        for number in (1, 2)
    ]
    return AddHosts(cluster_id=cluster_id, hosts=asks, new_cluster="pool of two")


async def _remove_host(rig: Rig) -> object:
    """With a guest on it, which is stopped."""
    host_id = rig.cloud[vms][await running(rig)].host_id
    assert host_id is not None
    return RemoveHost(id=host_id, forced=True)


async def _reconnect_host(rig: Rig) -> object:
    return ReconnectHost(id=HOSTS[0])


async def _maintain_host(rig: Rig) -> object:
    host_id = rig.cloud[vms][await running(rig)].host_id
    assert host_id is not None
    return PrepareHost(id=host_id)


async def _change_sign_in(rig: Rig) -> object:
    """On two hosts, of which neither has a password yet."""
    return ChangeSignIn(
        hosts=[
            SignIn(
                host_id=host_id,
                username="operator",
                password_ref=str(
                    await rig.vault.put("a password", key=named(f"password of {host_id}"))
                ),
                old_username=rig.cloud[hosts][host_id].username,
                old_password_ref=rig.cloud[hosts][host_id].password_ref,
            )
            for host_id in HOSTS[:2]
        ]
    )


SCRIPTS = Scripts(folder="/hooks", timeout_s=60, arguments=("-v",))


async def roll_of_one(rig: Rig) -> RollHost:
    """A host with a guest, in a rolling maintenance that is under way."""
    host_id = rig.cloud[vms][await running(rig)].host_id
    assert host_id is not None
    draft, roll_id = Draft(rig.cloud), named("rolling maintenance")
    begun = RollingMaintenanceBegun(
        job_id=named("job"), cluster_ids=[CLUSTER], host_ids=[host_id], forced=False
    )
    draft.create(roll_id, begun)
    await rig.engine.runner.commits.append(Unit(draft.appends()), draft)
    return RollHost(roll_id=roll_id, host_id=host_id, scripts=SCRIPTS)


async def roll_of_two(rig: Rig) -> RollHosts:
    """Two hosts, of which the first has a guest."""
    await running(rig)
    return RollHosts(id=named("rolling maintenance"), host_ids=HOSTS[:2], scripts=SCRIPTS)


EXAMPLES = {
    "host.roll:1": roll_of_one,
    "hosts.roll:1": roll_of_two,
    "host.add:1": _add_host,
    "hosts.add:1": _add_hosts,
    "host.remove:1": _remove_host,
    "host.reconnect:1": _reconnect_host,
    "host.maintain:1": _maintain_host,
    "host.sign_in:1": _change_sign_in,
}
