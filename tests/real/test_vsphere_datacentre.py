"""The datacentre that a zone's ESXi hosts come from, through the API, at govmomi's simulator."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from cs import CloudStackApiException

from tests.drivers.vcenter_hand import Hand
from tests.e2e.server import Api, Awaitable, Server, serving
from tests.guest.tiny import absent
from tests.infra.build import pod, zone
from tests.peers import vcenter as peer
from tests.real.test_vsphere_real import who, written

DRIVERS = ("vsphere",)
pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]
MADE_BY_HAND = 2


@dataclass
class Here:
    vcenter: peer.VcenterPeer
    server: Server
    api: Api
    where: dict[str, str]

    @property
    def at(self) -> dict[str, str]:
        return {"zoneid": self.where["zoneid"]}

    def name(self, *, pin: bool = True) -> str:
        """The vCenter as commands take it."""
        return f"127.0.0.1:{self.vcenter.port}" + (f"?pin={self.vcenter.pin}" if pin else "")

    def add(self, **other: str) -> dict[str, Any]:
        asked = {"name": peer.DATACENTER, "vcenter": self.name(), **who(), **other}
        made: dict[str, Any] = self.api("addVmwareDc", **self.at, **asked)
        return made["vmwaredc"]  # type: ignore[no-any-return]

    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api("listVmwareDcs", **self.at).get("VMwareDC", [])
        return found


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    if lacking := peer.missing():
        absent(f"there can be no vCenter: {lacking}")
    folder = tmp_path_factory.mktemp("datacentre")
    with peer.running(machines=MADE_BY_HAND) as vcenter, serving(folder / "home") as server:
        api = server.api()
        calls: Any = Awaitable(api)
        where = {"zoneid": asyncio.run(zone(calls))}
        where["podid"] = asyncio.run(pod(calls, where["zoneid"]))
        made = api(
            "addCluster", **where, clustername="esx", clustertype="CloudManaged",
            hypervisor="VMware",
        )  # fmt: skip
        where["clusterid"] = made["cluster"][0]["id"]
        yield Here(vcenter, server, api, where)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"name": "Nowhere"}, "has no datacenter Nowhere"),
        ({"password": "wrong"}, "does not know the user"),
        ({"vcenter": "vc.test/folder"}, "is no name of a vCenter"),
        ({"vcenter": "no pin"}, "repeat with .pin=sha256"),
    ],
)
def test_what_cannot_be_reached_is_not_added(here: Here, other: dict[str, str], why: str) -> None:
    if other.get("vcenter") == "no pin":
        other = {"vcenter": here.name(pin=False)}
    with pytest.raises(CloudStackApiException, match=why):
        here.add(**other)
    assert here.listed() == []


def test_hosts_come_from_their_zones_datacentre(here: Here) -> None:
    """A host is added without a name and a password, and the datacentre stays while it is here."""
    api, made = here.api, here.add()
    assert here.listed() == [made]
    assert made["vcenter"] == here.name(pin=False) and made["name"] == peer.DATACENTER
    with pytest.raises(CloudStackApiException, match=r"has datacentre DC0 of .* already"):
        here.add()
    url = f"vsphere://{here.name(pin=False)}"
    with pytest.raises(CloudStackApiException, match="the zone's datacentre is DC0"):
        api("addHost", **here.where, hypervisor="VMware", url=f"{url}/DC1/{peer.CLUSTER}")
    with pytest.raises(CloudStackApiException, match="names every cluster"):
        api("addHost", **here.where, hypervisor="VMware", url=f"{url}/{peer.DATACENTER}/*")
    one = f"{url}/{peer.DATACENTER}/{peer.CLUSTER}/{peer.HOSTS[0]}"
    host = api("addHost", **here.where, hypervisor="VMware", url=one)["host"][0]
    assert host["state"] == "Up"
    with pytest.raises(CloudStackApiException, match=f"in use by host {peer.HOSTS[0]}"):
        api("removeVmwareDc", **here.at)


def test_machines_of_a_datacentre_are_seen(here: Here) -> None:
    """Of hosts that are here and of others; those of another vCenter by its name and password."""
    dc = here.listed()[0]["id"]
    by_id = here.api("listVmwareDcVms", existingvcenterid=dc)["unmanagedinstance"]
    names = sorted(Hand(here.vcenter).machines())
    assert sorted(one["name"] for one in by_id) == names and names
    ours = here.api("listHosts", type="Routing")["host"][0]["id"]
    assert {one.get("hostid") for one in by_id} <= {ours, None}
    assert all(one["clustername"] and one["hostname"] for one in by_id)
    asked = {"vcenter": here.name(), "datacentername": peer.DATACENTER, **who()}
    named = here.api("listVmwareDcVms", **asked, instancename=names[0])["unmanagedinstance"]
    assert [one["name"] for one in named] == names[:1]
    for wrong, why in (
        ({"existingvcenterid": dc}, "excludes vcenter"),
        ({"password": ""}, "password"),
        ({"password": "wrong"}, "does not know the user"),
    ):
        with pytest.raises(CloudStackApiException, match=why):
            here.api("listVmwareDcVms", **asked | wrong)


def test_a_new_password_is_tried_before_it_is_kept(here: Here) -> None:
    api = here.api
    with pytest.raises(CloudStackApiException, match="does not know the user"):
        api("updateVmwareDc", **here.at, password="wrong")
    with pytest.raises(CloudStackApiException, match="let the hosts follow"):
        other = f"localhost:{here.vcenter.port}?pin={here.vcenter.pin}"
        api("updateVmwareDc", **here.at, vcenter=other, isrecursive=False)
    moved = api("updateVmwareDc", **here.at, vcenter=other, password=peer.PASSWORD)["vmwaredc"]
    assert moved["vcenter"] == f"localhost:{here.vcenter.port}"
    host = api("listHosts", type="Routing")["host"][0]
    assert host["state"] == "Up"
    assert api("reconnectHost", id=host["id"])["host"]["state"] == "Up"
    assert peer.PASSWORD.encode() not in written(here.server.home)


def test_the_datacentre_goes_after_its_hosts(here: Here) -> None:
    api = here.api
    host = api("listHosts", type="Routing")["host"][0]
    api("prepareHostForMaintenance", id=host["id"])
    api("deleteHost", id=host["id"], forced=True)
    api("removeVmwareDc", **here.at)
    assert here.listed() == []
    with pytest.raises(CloudStackApiException, match="has no datacentre of a vCenter"):
        api("removeVmwareDc", **here.at)
