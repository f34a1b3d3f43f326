"""Nine kinds of host in one zone under one load, while hosts die: nothing stuck, nothing left.

KVM by real libvirt and QEMU; VMware by govmomi's simulator; XenServer, Oracle VM, Hyper-V and
OpenStack by servers of their published protocols, and Proxmox VE by one too, which an extension
drives; simulated hosts; and in the long run a machine that boots over the network. In the middle
of the load one KVM host and the simulated ones are killed. The tests follow the zone through its
life, in their order.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from cs import CloudStackApiException

from tests.e2e.server import Api
from tests.guest.tiny import absent
from tests.mixed.kinds import Kind
from tests.mixed.kvm import KILLED, LEFT
from tests.mixed.site import Site, site
from tests.peers import libvirt, vcenter
from tests.peers.baremetal import rack

DRIVERS = (
    *("libvirt", "vsphere", "xapi", "oraclevm", "hyperv", "openstack", "extension", "baremetal"),
    "sim",
)
pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

WAIT_S = 240.0
LOOK_S = 0.2
AWAY_S = 2.0
SIDE_BY_SIDE = 8
MORTAL = ("KVM", "Simulator")
# Their only host, or a guest that is its host: there is nowhere to move.
ALONE = ("Simulator", "BareMetal")
# What no BMC tells.
UNMEASURED = {"BareMetal"}
# How a kind says that it keeps no guest as a whole.
KEEPS = {"guest_snapshots", "snapshot_guest"}
ZONES = (
    pytest.param(False, id="hosts"),
    pytest.param(True, id="machine", marks=pytest.mark.long),
)


@pytest.fixture(scope="module", params=ZONES)
def here(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    if lacking := vcenter.missing():
        absent(f"there can be no vCenter: {lacking}")
    if lacking := rack.missing() if request.param else libvirt.missing():
        absent(f"there can be no KVM host or machine: {lacking}")
    if shutil.which("qemu-img") is None:
        absent("qemu-img is not installed (qemu-utils)")
    with site(tmp_path_factory.mktemp("mixed"), with_machine=request.param) as found:
        yield found


def guests(here: Site, **which: Any) -> list[dict[str, Any]]:
    found = here.api("listVirtualMachines", **which).get("virtualmachine", [])
    return list(found)


def hosts(here: Site) -> list[dict[str, Any]]:
    return list(here.api("listHosts", type="Routing")["host"])


def kvm_host(here: Site, number: int) -> dict[str, Any]:
    reached = here.kvm.address(number)
    return next(one for one in hosts(here) if one["ipaddress"] == reached)


def names(here: Site) -> set[str]:
    return {kind.name for kind in here.kinds}


def within(true: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < end, f"not within {WAIT_S:.0f} s: {what}"
        time.sleep(LOOK_S)


def test_every_kind_is_in_the_zone(here: Site) -> None:
    assert {one["hypervisor"] for one in hosts(here)} == names(here)
    assert {one["state"] for one in hosts(here)} == {"Up"}
    listed = here.api("listHypervisors", zoneid=here.where["zoneid"])["hypervisor"]
    assert {one["name"] for one in listed} == names(here)


# ---- the load ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A deployment that was accepted."""

    kind: str
    vm_id: str
    job_id: str


def test_one_load_over_all_kinds_outlives_hosts_that_die(here: Site) -> None:
    """Who was promised a guest has it, or was told why not; the hosts agree with the log."""
    most = max(kind.each for kind in here.kinds)
    turns = [(kind, str(n)) for n in range(most) for kind in here.kinds if n < kind.each]
    before, behind = turns[: len(turns) // 2], turns[len(turns) // 2 :]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        placed = [on_kvm(here, number, "placed") for number in (LEFT, KILLED)]
        within(lambda: over(here, placed), "a guest runs on each KVM host")
        asked = [pool.submit(deploy, here, *turn) for turn in before]
        within(lambda: any(one.done() for one in asked), "the load is going")
        caught = on_kvm(here, KILLED, "caught")
        here.kvm.kill()
        here.simulated.kill()
        asked += [pool.submit(deploy, here, *turn) for turn in behind]
        time.sleep(AWAY_S)
        here.simulated.start()
        within(lambda: kvm_host(here, KILLED)["state"] == "Disconnected", "the dead are missed")
        accepted = [*(one.result() for one in asked), *placed]
    if here.bare:  # In the long run the host stays dead until nobody tries any more.
        within(lambda: outcome(here, caught), "the job that it took with it is over")
        within(here.bare.booted, "the machine booted the image that was chosen")
        accepted.append(caught)
    judge(here, accepted)


def lost(here: Site) -> list[str]:
    """The addresses of the hosts that are not up."""
    return [one["ipaddress"] for one in hosts(here) if one["state"] != "Up"]


def judge(here: Site, accepted: list[Asked]) -> None:
    """Everybody has a guest but those whose host died; what runs is what the log says."""
    found = {one["id"]: one for one in guests(here)}
    for one in accepted:
        said = outcome(here, one)
        if said == "done":
            assert found[one.vm_id]["state"] == "Running", found[one.vm_id]
            continue
        assert one.kind in MORTAL, f"only hosts that died may fail: {one} {said}"
        assert one.vm_id not in found or said.startswith("Parked"), f"it is not there: {said}"
    running = {one["hypervisor"] for one in found.values() if one["state"] == "Running"}
    assert running >= names(here) - {"Simulator"}
    there = guests(here, hostid=kvm_host(here, LEFT)["id"])
    assert there
    assert here.kvm.domains(LEFT) == {one["id"]: one["instancename"] for one in there}
    within(lambda: lost(here) == [here.kvm.address(KILLED)], "all hosts but the dead one are back")


def deploy(here: Site, kind: Kind, name: str) -> Asked:
    """Ask for a guest, and wait until its job is over."""
    asked, api = ask(here, kind, name), here.client()
    within(lambda: outcome(here, asked, api), f"{asked} is over")
    return asked


def ask(here: Site, kind: Kind, name: str, **more: str) -> Asked:
    asked = here.shape | {"name": f"{kind.name.lower()}-{name}", "templateid": kind.template}
    accepted = here.client().accepted("deployVirtualMachine", **asked, **more)
    return Asked(kind.name, accepted["id"], accepted["jobid"])


def on_kvm(here: Site, number: int, name: str) -> Asked:
    kvm = next(kind for kind in here.kinds if kind.name == "KVM")
    return ask(here, kvm, f"{name}-{number}", hostid=kvm_host(here, number)["id"])


def over(here: Site, accepted: list[Asked]) -> bool:
    return all(outcome(here, one) for one in accepted)


def outcome(here: Site, asked: Asked, api: Api | None = None) -> str:
    """Empty while the job goes on, `done`, or what became of it and why."""
    job = (api or here.api).accepted("queryAsyncJobResult", jobid=asked.job_id)
    if job["jobstatus"] == 0:
        return ""
    return "done" if job["jobstatus"] == 1 else f"{job['jobstate']}: {job['jobresult']}"


def test_a_host_whose_power_returns_is_as_the_log_says(here: Site) -> None:
    """Its guests are found stopped, jobs that waited for it end, and it serves again.

    A start that is still being tried may yet succeed there.
    """
    host_id = kvm_host(here, KILLED)["id"]
    lost = [one["id"] for one in guests(here, hostid=host_id) if one["state"] == "Running"]
    assert lost
    here.kvm.power_on()
    within(lambda: kvm_host(here, KILLED)["state"] == "Up", "the host is back")
    at_rest = {"Running", "Stopped"}
    within(lambda: {one["state"] for one in guests(here)} <= at_rest, "no job waits any more")
    within(
        lambda: {one["id"] for one in guests(here, state="Stopped")} == set(lost),
        "its guests are found stopped, and no other",
    )
    assert not here.api("listAsyncJobs", listall=True, state="Parked").get("asyncjobs")
    here.api("startVirtualMachine", id=lost[0], hostid=host_id)
    there = {one["id"] for one in guests(here, hostid=host_id)}
    assert lost[0] in there and set(here.kvm.domains(KILLED)) == there
    if here.bare:
        within(lambda: here.kvm.booted(lost[0]), "its disk is whole: it boots from it again")


# ---- what all kinds share ------------------------------------------------------------------


def test_what_a_kind_cannot_is_refused_before_it_starts(here: Site) -> None:
    """A dry run says it too, and so does the list of what kinds are let do."""
    listed = here.api("listHypervisorCapabilities")["hypervisorCapabilities"]
    said = {one["hypervisor"]: one.get("cannot", {}) for one in listed}
    assert names(here) <= said.keys()
    lack = {name for name in names(here) if said[name].keys() & KEEPS}
    assert lack >= {"Ovm3", "OpenStack"}
    for name in lack:
        vm = next(one for one in guests(here) if one["hypervisor"] == name)
        ask = {"virtualmachineid": vm["id"], "snapshotmemory": True}
        for more in ({}, {"dryrun": "true"}):
            with pytest.raises(CloudStackApiException, match=f"{name} hosts: "):
                here.api("createVMSnapshot", **ask, **more)


def test_statistics_are_of_every_kind(here: Site) -> None:
    """Hosts say how much of them is used, and promised; guests that run, how busy they are."""
    run = {one["hypervisor"] for one in guests(here) if one["state"] == "Running"}

    def measured() -> bool:
        rows = here.api("listHostsMetrics", type="Routing")["host"]
        used = {one["hypervisor"] for one in rows if one.get("memoryused")}
        promised = {one["hypervisor"] for one in rows if one.get("memoryallocated")}
        busy = {one["hypervisor"] for one in guests(here) if one.get("cpuused")}
        assert promised == run
        return used >= names(here) - UNMEASURED and busy >= run - UNMEASURED

    within(measured, "hosts and guests of every kind are measured")


def test_maintenance_is_of_every_kind_at_once(here: Site) -> None:
    """A host gives its guests away, or says why not and keeps them; nothing new comes to it."""
    run = [one for one in guests(here) if one["state"] == "Running"]
    places = {one["hypervisor"]: one["hostid"] for one in run}
    with ThreadPoolExecutor(len(places)) as pool:
        answers = pool.map(lambda one: prepared(here, one), places.values())
        said = dict(zip(places, answers, strict=True))
        assert {kind for kind in places if said[kind]} == places.keys() & set(ALONE), said
        kept = {kind: places[kind] for kind in places if not said[kind]}
        new = [kind for kind in here.kinds if kind.name in kept]
        late = list(pool.map(lambda kind: deploy(here, kind, "late"), new))
    after = {one["id"]: one for one in guests(here)}
    assert {after[one["id"]]["state"] for one in run} == {"Running"}
    by_id = {one["id"]: one["resourcestate"] for one in hosts(here)}
    for kind, host_id in places.items():
        there = {one["id"] for one in after.values() if one.get("hostid") == host_id}
        stayed = {one["id"] for one in run if one["hostid"] == host_id and kind not in kept}
        state = "Maintenance" if kind in kept else "Enabled"
        assert (by_id[host_id], there) == (state, stayed), kind
    assert {after[one.vm_id]["state"] for one in late} == {"Running"}
    for host_id in kept.values():
        here.api("cancelHostMaintenance", id=host_id)
    assert {one["resourcestate"] for one in hosts(here)} == {"Enabled"}


def test_hosts_of_all_kinds_are_worked_on_in_turn(here: Site) -> None:
    """Each is emptied and serves again, or is left out with the reason; every guest runs on."""
    before = {one["id"] for one in guests(here) if one["state"] == "Running"}
    asked = {"zoneids": here.where["zoneid"], "forced": True}
    answer = here.api("startRollingMaintenance", **asked)["rollingmaintenance"]
    found = {one["id"]: one for one in hosts(here)}
    told = (*answer["hostsupdated"], *answer["hostsskipped"])
    assert {one["hostid"] for one in told} == found.keys()
    assert all(one["reason"] for one in answer["hostsskipped"])
    assert {one["resourcestate"] for one in found.values()} == {"Enabled"}, answer
    worked = {found[one["hostid"]]["hypervisor"] for one in answer["hostsupdated"]}
    assert worked >= names(here) - set(ALONE), answer
    assert {one["id"] for one in guests(here) if one["state"] == "Running"} == before


def prepared(here: Site, host_id: str) -> str:
    """Why a host cannot be prepared for maintenance; empty if it is."""
    try:
        here.client()("prepareHostForMaintenance", id=host_id)
    except CloudStackApiException as error:
        said = str(error.error)
        assert "cannot be moved: " in said or "stays where it is" in said, said
        return said
    return ""


def test_nothing_is_left_of_any_kind(here: Site) -> None:
    run = guests(here)
    assert remains(here).keys() >= {one["hypervisor"] for one in run}, (
        "the peers tell what is there"
    )

    def destroy(vm: dict[str, Any]) -> None:
        here.client()("destroyVirtualMachine", id=vm["id"], expunge=True)

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        list(pool.map(destroy, run))
    assert guests(here) == []
    within(lambda: not remains(here), "nothing is left of any kind")
    assert {one["state"] for one in hosts(here)} == {"Up"}
    metrics = here.api("listHostsMetrics", type="Routing")["host"]
    assert not any(one.get("memoryallocated") for one in metrics), "all room is given back"


def remains(here: Site) -> dict[str, list[str]]:
    return {kind.name: found for kind in here.kinds if (found := kind.left(kind.template))}
