"""A guest's whole life on two real Xen hosts through the API: libxl, pygrub, and a move between.

The hosts are machines that QEMU emulates, with Debian's Xen in them (`tests/peers/xen.py`). What is
believed is what the guest says on its console, which Xen writes down in the host that runs it, and
what is in the hosts' bridges, domains and pool.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from guest.build import READY
from tests.e2e.server import Api, Awaitable, Server, serving
from tests.guest.tiny import absent
from tests.infra.build import physical_network, pod, zone
from tests.peers import xen as peer
from tests.peers import xen_guest

DRIVERS = ("libvirt",)
pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(2400)]
SETTINGS = "silence_s=120,connect_s=60,verb_s=300,reboot_s=120,unplug_s=120"
POOL = f"{peer.SHARED}/pool"
JOB_S, VLAN = 900, 150
LIFE_S = 300.0


@dataclass
class Here:
    """A cloud with one cluster of the two hosts, and what is seen of these by SSH."""

    hosts: tuple[peer.XenHost, peer.XenHost]
    server: Server
    api: Api
    where: dict[str, str]
    template_id: str = ""

    def host_of(self, vm: dict[str, Any]) -> tuple[peer.XenHost, peer.XenHost]:
        """The one that runs it by the API's word, and the other."""
        row = self.api.one("listVirtualMachines", "virtualmachine", id=vm["id"])
        one, other = self.hosts
        return (one, other) if row["hostname"] == "xenhost1" else (other, one)

    def said(self, host: peer.XenHost, name: str) -> list[str]:
        """The lines of a guest's console on one host."""
        return host.run(f"cat {peer.CONSOLES}/guest-*-{name}.log 2>/dev/null || true").splitlines()

    def last_beat(self, host: peer.XenHost, name: str) -> tuple[int, set[str]]:
        """The number of the last whole line by which it says that it lives, and its disks."""
        beats = [
            one for one in self.said(host, name) if re.match(rf"{xen_guest.BEAT} \d+ .* $", one)
        ]
        number, *disks = beats[-1].split()[1:] if beats else ["0"]
        return int(number), set(disks)

    def left(self) -> list[str]:
        """Domains of both hosts, and files of the pool which are no template's."""
        guests = [one for host in self.hosts for one in host.domains()]
        return guests + self.hosts[0].run(f"find {POOL} -type f ! -path '*/images/*'").split()


def until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LIFE_S
    while not true():
        assert time.monotonic() < end, f"not within {LIFE_S:.0f} s: {what}"
        time.sleep(2)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    if lacking := peer.missing():
        absent(f"there can be no Xen host: {lacking}")
    hosts = peer.xen_pair()
    home = tmp_path_factory.mktemp("xen") / "home"
    with serving(home, SAGASTACK_LIBVIRT=SETTINGS) as server:
        yield build(server, hosts)


def build(server: Server, hosts: tuple[peer.XenHost, peer.XenHost]) -> Here:
    api = patient(server)
    calls: Any = Awaitable(api)
    api("updateConfiguration", name="allow.user.expunge.recover.vm", value="true")
    zone_id = asyncio.run(zone(calls))
    network_id = asyncio.run(physical_network(calls, zone_id))
    found = api("listTrafficTypes", physicalnetworkid=network_id)["traffictype"]
    guest = next(one for one in found if one["traffictype"] == "Guest")
    api("updateTrafficType", id=guest["id"], xennetworklabel=peer.BRIDGE)
    where = {"zoneid": zone_id, "podid": asyncio.run(pod(calls, zone_id))}
    made = api(
        "addCluster", **where, clustername="xen", clustertype="CloudManaged", hypervisor="Xen"
    )
    where["clusterid"] = made["cluster"][0]["id"]
    for host in hosts:
        who = {"username": "root", "password": host.password}
        api("addHost", **where, hypervisor="Xen", url=host.uri, **who)
    url = f"SharedMountPoint://{POOL}"
    (hosts[0].shared / "pool").mkdir()
    api("createStoragePool", **where, name="xen", url=url, scope="cluster", hypervisor="Xen")
    (server.home / "store").mkdir()
    store = (server.home / "store").as_uri()
    api("addImageStore", zoneid=zone_id, provider="NFS", name="store", url=store)
    api("updateZone", id=zone_id, allocationstate="Enabled")
    ready = Here(hosts, server, api, where)
    ready.template_id = registered(ready)
    return ready


def patient(server: Server) -> Api:
    api = server.api()
    api.cs.job_timeout, api.cs.poll_interval = JOB_S, 0.5
    return api


def registered(here: Here) -> str:
    api = here.api
    made = api(
        "registerTemplate", name="tiny", displaytext="tiny", format="RAW", hypervisor="Xen",
        url=xen_guest.image().as_uri(), zoneid=here.where["zoneid"],
        ostypeid=api("listOsTypes", description="Other Linux (64-bit)")["ostype"][0]["id"],
    )["template"][0]  # fmt: skip

    def ready() -> bool:
        found = api.one("listTemplates", "template", id=made["id"], templatefilter="all")
        return bool(found["isready"])

    until(ready, "the template is ready")
    return str(made["id"])


def shape(here: Here) -> dict[str, str]:
    size = here.api(
        "createServiceOffering", name="tiny", displaytext="tiny", cpunumber=1, cpuspeed=200,
        memory=128,
    )["serviceoffering"]  # fmt: skip
    offering = here.api("listNetworkOfferings", name="DefaultL2NetworkOfferingVlan")
    network = here.api(
        "createNetwork", zoneid=here.where["zoneid"], name="wire", displaytext="wire",
        networkofferingid=offering["networkoffering"][0]["id"], vlan=VLAN,
    )["network"]  # fmt: skip
    return {
        "zoneid": here.where["zoneid"], "templateid": here.template_id,
        "serviceofferingid": size["id"], "networkids": network["id"],
    }  # fmt: skip


def test_a_xen_guests_whole_life_on_two_hosts(here: Here) -> None:
    api = here.api
    hosts = api("listHosts", type="Routing")["host"]
    assert {one["name"] for one in hosts} == {"xenhost1", "xenhost2"}
    assert {(one["state"], one["hypervisor"]) for one in hosts} == {("Up", "Xen")}
    asked = shape(here)
    vm = api("deployVirtualMachine", name="whole", **asked)["virtualmachine"]
    assert (vm["state"], vm["hypervisor"]) == ("Running", "Xen")
    first, second = here.host_of(vm)
    alive = f"{READY} uuid={vm['id']} boots=1"
    until(lambda: alive in here.said(first, "whole"), "the guest says who it is")
    root = api.one("listVolumes", "volume", virtualmachineid=vm["id"], type="ROOT")["id"]

    snapshot = api("createSnapshot", volumeid=root)["snapshot"]
    custom = api("listDiskOfferings", name="Custom")["diskoffering"][0]["id"]
    where = {"zoneid": here.where["zoneid"], "diskofferingid": custom}
    data = api("createVolume", name="data", size=1, **where)["volume"]
    api("attachVolume", id=data["id"], virtualmachineid=vm["id"])
    until(lambda: len(here.last_beat(first, "whole")[1]) == 2, "the guest sees its second disk")

    moves_on_without_its_controller(here, vm, first, second)
    api = here.api
    api("detachVolume", id=data["id"])
    until(lambda: len(here.last_beat(second, "whole")[1]) == 1, "the guest lost its second disk")
    api("rebootVirtualMachine", id=vm["id"])
    again = alive.replace("boots=1", "boots=2")
    until(lambda: again in here.said(second, "whole"), "the guest has started again")

    api("stopVirtualMachine", id=vm["id"])
    assert [one.domains() for one in here.hosts] == [[], []], "off is on no host"
    larger = api("resizeVolume", id=data["id"], size=2)["volume"]
    assert larger["size"] == 2 * 2**30
    api("revertSnapshot", id=snapshot["id"])
    for host in here.hosts:
        host.run(f"rm -f {peer.CONSOLES}/guest-*")
    api("startVirtualMachine", id=vm["id"])
    third, _ = here.host_of(vm)
    until(lambda: again in here.said(third, "whole"), "it starts from what was kept")
    for command, what in (("deleteSnapshot", snapshot), ("deleteVolume", data)):
        api(command, id=what["id"])
    api("destroyVirtualMachine", id=vm["id"], expunge=True)
    api("deleteNetwork", id=asked["networkids"])
    assert here.left() == []


def moves_on_without_its_controller(
    here: Here, vm: dict[str, Any], first: peer.XenHost, second: peer.XenHost
) -> None:
    """The controller dies in the middle. It is the same run of the same guest at the target, and
    its VLAN reaches it from where it was.
    """
    before = here.last_beat(first, "whole")[0]
    hosts = here.api("listHosts", type="Routing")["host"]
    target = next(one["id"] for one in hosts if one["name"] == f"xenhost{second.number}")
    where = {"virtualmachineid": vm["id"], "hostid": target}
    job = here.api.accepted("migrateVirtualMachine", **where)["jobid"]
    until(lambda: second.domains() != [], "the move has begun")
    here.server.kill()
    here.server.start()
    here.api = patient(here.server)
    moved = here.api.ended(job)["virtualmachine"]
    assert (moved["state"], moved["hostid"]) == ("Running", target)
    until(lambda: here.last_beat(second, "whole")[0] > before, "it lives on where it moved to")
    assert not [one for one in here.said(second, "whole") if READY in one], "it never started anew"
    assert (first.domains(), len(second.domains())) == ([], 1)
    nic = moved["nic"][0]
    address, bridge = link_local(nic["macaddress"]), f"{peer.BRIDGE}-{VLAN}"
    until(lambda: first.pings(address, bridge), "its VLAN reaches it")
    assert not first.pings(address, peer.BRIDGE), "nothing else does"


def link_local(mac: str) -> str:
    """The address that IPv6 makes of a card's MAC (RFC 4291, appendix A)."""
    a, b, c, d, e, f = (int(one, 16) for one in mac.split(":"))
    return f"fe80::{a ^ 2:02x}{b:02x}:{c:02x}ff:fe{d:02x}:{e:02x}{f:02x}"
