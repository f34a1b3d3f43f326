"""Six kinds of hypervisor in one zone under one load, while hosts die: nothing stuck, nothing left.

VMware by govmomi's simulator, XenServer, Oracle VM, Hyper-V and OpenStack by servers of their
published protocols, and simulated hosts, whose process is killed in the middle and comes back.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cs import CloudStackApiException

from tests.guest.tiny import absent
from tests.mixed.site import Site, site
from tests.peers import vcenter

DRIVERS = ("vsphere", "xapi", "oraclevm", "hyperv", "openstack", "sim")
pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

EACH = 3
SETTLED = ("Running", "Stopped", "Error")
WAIT_S = 240.0


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if lacking := vcenter.missing():
        absent(f"there can be no vCenter: {lacking}")
    if shutil.which("qemu-img") is None:
        absent("qemu-img is not installed (qemu-utils)")
    with site(tmp_path_factory.mktemp("mixed")) as found:
        yield found


def guests(here: Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = here.api("listVirtualMachines").get("virtualmachine", [])
    return found


def within(true: Any, what: str) -> None:
    end = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < end, f"not within {WAIT_S:.0f} s: {what}"
        time.sleep(0.5)


def test_every_kind_is_in_the_zone(here: Site) -> None:
    hosts = here.api("listHosts", type="Routing")["host"]
    assert {one["hypervisor"] for one in hosts} == {kind.name for kind in here.kinds}
    assert {one["state"] for one in hosts} == {"Up"}
    listed = here.api("listHypervisors", zoneid=here.where["zoneid"])["hypervisor"]
    assert {one["name"] for one in listed} == {kind.name for kind in here.kinds}


def test_one_load_over_all_kinds_outlives_hosts_that_die(here: Site) -> None:
    """Who was promised a guest has it, or was told why not; the hosts agree with the log."""

    def deploy(name: str, template: str) -> dict[str, Any]:
        asked = here.shape | {"name": name, "templateid": template}
        accepted: dict[str, Any] = here.server.api().accepted("deployVirtualMachine", **asked)
        return accepted

    with ThreadPoolExecutor(8) as pool:
        asked = [
            pool.submit(deploy, f"{kind.name.lower()}-{number}", kind.template)
            for number in range(EACH)
            for kind in here.kinds
        ]
        time.sleep(1.0)
        here.simulated.kill()
        time.sleep(2.0)
        here.simulated.start()
        accepted = [one.result() for one in asked]

    within(lambda: all(over(here, one["jobid"]) for one in accepted), "every job is over")
    failed = {one["id"]: why for one in accepted if (why := over(here, one["jobid"])) != "done"}
    found = {one["id"]: one for one in guests(here)}
    for one in accepted:
        if one["id"] in failed:
            assert one["id"] not in found, "what failed is not there"
        else:
            assert found[one["id"]]["state"] == "Running", found[one["id"]]
    died = {why for why in failed.values() if "simulat" not in why.lower()}
    assert not died, f"only hosts that died may fail: {died}"
    kinds = {one["hypervisor"] for one in found.values()}
    assert kinds >= {kind.name for kind in here.kinds} - {"Simulator"}


def over(here: Site, job_id: str) -> str:
    """Empty while the job goes on, `done`, or what it failed with."""
    job = here.api.accepted("queryAsyncJobResult", jobid=job_id)
    if job["jobstatus"] == 0:
        return ""
    return "done" if job["jobstatus"] == 1 else str(job["jobresult"])


def test_what_a_kind_cannot_is_refused_before_it_starts(here: Site) -> None:
    """A dry run says it too, and so does the list of what kinds are let do."""
    oracle = next(one for one in guests(here) if one["hypervisor"] == "Ovm3")
    ask = {"virtualmachineid": oracle["id"], "snapshotmemory": True}
    for more in ({}, {"dryrun": "true"}):
        with pytest.raises(CloudStackApiException, match="Ovm3 hosts: "):
            here.api("createVMSnapshot", **ask, **more)
    listed = here.api("listHypervisorCapabilities")["hypervisorCapabilities"]
    said = {one["hypervisor"]: one.get("cannot", {}) for one in listed}
    assert {kind.name for kind in here.kinds} <= said.keys()
    assert "guest_snapshots" in said["Ovm3"] or "snapshot_guest" in said["Ovm3"]


def test_statistics_and_maintenance_treat_all_alike(here: Site) -> None:
    metrics = here.api("listHostsMetrics")["host"]
    assert {one["hypervisor"] for one in metrics} == {kind.name for kind in here.kinds}
    one = next(one for one in guests(here) if one["hypervisor"] == "VMware")
    here.api("prepareHostForMaintenance", id=one["hostid"])
    moved = here.api.one("listVirtualMachines", "virtualmachine", id=one["id"])
    assert (moved["state"], moved["hostid"] != one["hostid"]) == ("Running", True)
    here.api("cancelHostMaintenance", id=one["hostid"])


def test_hosts_of_all_kinds_are_worked_on_in_turn(here: Site) -> None:
    """Each is emptied and serves again, or is left out with the reason; every guest runs on."""
    before = {one["id"] for one in guests(here) if one["state"] == "Running"}
    asked = {"zoneids": here.where["zoneid"], "forced": True}
    answer = here.api("startRollingMaintenance", **asked)["rollingmaintenance"]
    hosts = {one["id"]: one for one in here.api("listHosts", type="Routing")["host"]}
    told = (*answer["hostsupdated"], *answer["hostsskipped"])
    assert {one["hostid"] for one in told} == hosts.keys()
    assert all(one["reason"] for one in answer["hostsskipped"])
    assert {one["resourcestate"] for one in hosts.values()} == {"Enabled"}, answer
    worked = {hosts[one["hostid"]]["hypervisor"] for one in answer["hostsupdated"]}
    assert worked >= {"VMware", "XenServer", "Hyperv", "OpenStack"}, answer
    assert {one["id"] for one in guests(here) if one["state"] == "Running"} == before


def test_nothing_is_left_of_any_kind(here: Site) -> None:
    run = guests(here)
    assert remains(here).keys() >= {one["hypervisor"] for one in run}, (
        "the peers tell what is there"
    )
    for one in run:
        here.api("destroyVirtualMachine", id=one["id"], expunge=True)
    assert guests(here) == []
    within(lambda: not remains(here), "nothing is left of any kind")
    assert {one["state"] for one in here.api("listHosts", type="Routing")["host"]} == {"Up"}


def remains(here: Site) -> dict[str, list[str]]:
    return {kind.name: found for kind in here.kinds if (found := kind.left(kind.template))}
