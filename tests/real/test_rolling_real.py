"""Rolling maintenance of two real libvirt hosts through the API, with a guest that rides along."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from uuid import uuid4

import pytest

from drivers.contract.hooks import HookStage
from sagastack.boot import controller
from sagastack.settings import Settings
from tests.drivers.harness_libvirt import missing, settings, virsh, write_hook
from tests.guest.tiny import absent, image
from tests.infra import build
from tests.infra.server import Api
from tests.peers import libvirt as peer

DRIVERS = ("libvirt",)
pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


async def until_ready(api: Api, template_id: str) -> None:
    end = time.monotonic() + 300
    while True:
        found = await api("listTemplates", id=template_id, templatefilter="all")
        if found["template"][0]["isready"]:
            return
        assert time.monotonic() < end, f"the template is not ready: {found}"
        await asyncio.sleep(0.1)


async def running_guest(api: Api, folder: Path, pair: peer.LibvirtPair) -> tuple[str, str]:
    """A guest on one of two hosts in a cluster of their own: the ids of cluster and guest."""
    zone = await build.zone(api)
    pod = await build.pod(api, zone)
    where = {"zoneid": zone, "podid": pod}
    made = await api(
        "addCluster", clustername="kvm", clustertype="CloudManaged", hypervisor="KVM", **where
    )
    cluster = str(made["cluster"][0]["id"])
    where["clusterid"] = cluster
    for host in (pair.first, pair.second):
        await api("addHost", hypervisor="KVM", url=host.uri, username="", password="", **where)
    await asyncio.to_thread(folder.mkdir)
    url = f"SharedMountPoint://{folder}"
    await api("createStoragePool", name="both", url=url, hypervisor="KVM", **where)
    store = {"provider": "NFS", "url": "nfs://10.0.0.9/export/secondary"}
    await api("addImageStore", zoneid=zone, **store)
    await api("updateZone", id=zone, allocationstate="Enabled")
    os_type = (await api("listOsTypes", description="Other Linux (64-bit)"))["ostype"][0]["id"]
    template = await api(
        "registerTemplate", name="tiny", displaytext="tiny", format="QCOW2", hypervisor="KVM",
        url=image().disk.as_uri(), zoneid=zone, ostypeid=os_type,
    )  # fmt: skip
    template_id = template["template"][0]["id"]
    await until_ready(api, template_id)
    small = await api(
        "createServiceOffering", name="s", displaytext="s", cpunumber=1, cpuspeed=200, memory=96
    )
    networks = await api("listNetworkOfferings", name="DefaultL2NetworkOffering")
    wire = await api(
        "createNetwork", name="wire", displaytext="wire", zoneid=zone,
        networkofferingid=networks["networkoffering"][0]["id"],
    )  # fmt: skip
    vm = await api(
        "deployVirtualMachine", name="rider", zoneid=zone, templateid=template_id,
        serviceofferingid=small["serviceoffering"]["id"], networkids=wire["network"]["id"],
    )  # fmt: skip
    return cluster, str(vm["virtualmachine"]["id"])


async def test_a_guest_rides_along_while_both_hosts_are_worked_on(tmp_path: Path) -> None:
    if lacking := missing():
        absent(f"there can be no libvirt hosts: {lacking}")
    pair, name = peer.pair(), uuid4().hex[:8]
    folder, hooks = pair.shared / f"rolling-{name}", pair.shared / f"hooks-{name}"
    mine = {
        key: ";".join(value) if isinstance(value, list) else str(value)
        for key, value in settings(pair).items()
    }
    ours = Settings(
        home=tmp_path, port=0, reconcile_s=3600, libvirt=mine | {"default_bridge": "br0"}
    )
    async with controller(ours) as running:
        found = await running.credentials()
        assert found is not None
        api = Api(running, found.api_key, found.secret_key)
        cluster, vm_id = await running_guest(api, folder, pair)
        try:
            await api("updateConfiguration", name="rolling.maintenance.hooks.dir", value=str(hooks))
            for stage in (HookStage.PRE_FLIGHT, HookStage.MAINTENANCE):
                await asyncio.to_thread(write_hook, hooks, stage, 0)
            done = await api("startRollingMaintenance", clusterids=cluster, payload="kernel 6.1")
            answer = done["rollingmaintenance"]
            assert answer["success"], answer
            assert [one["output"] for one in answer["hostsupdated"]] == ["it ran: kernel 6.1"] * 2
            assert (hooks / "Maintenance.ran").read_text() == "xx"
            guest = (await api("listVirtualMachines", id=vm_id))["virtualmachine"][0]
            assert guest["state"] == "Running"
            here = [await virsh(one, "list", "--uuid") for one in (pair.first, pair.second)]
            assert [vm_id in said for said in here].count(True) == 1, here

            await asyncio.to_thread(write_hook, hooks, HookStage.PRE_FLIGHT, 1)
            done = await api("startRollingMaintenance", clusterids=cluster)
            assert not done["rollingmaintenance"]["success"]
            assert (hooks / "Maintenance.ran").read_text() == "xx", "nothing was begun"
        finally:
            await api("destroyVirtualMachine", id=vm_id, expunge=True)
