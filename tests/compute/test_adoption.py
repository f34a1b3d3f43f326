"""Guests that no controller made are seen, imported as they run, and let go of again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from cs import CloudStackApiException

from projections.capacity import Capacity
from projections.space import Space
from projections.vm import vms
from tests.compute.test_nics import network
from tests.tenant.test_vm_life import deploy
from tests.tenant.world import CUSTOM_DISK, GIB, MAIN, MEDIUM, SMALL, Place

POOL_URL, HOST_URL = "sim://tenant-pool", "sim://tenant-h1"
MACS = ("52:54:00:00:00:01", "52:54:00:00:00:02")


def world(here: Place) -> Any:
    return here.controller.drivers.get("Simulator").world  # type: ignore[attr-defined]


def add_stranger(here: Place, name: str = "legacy", macs: tuple[str, ...] = MACS[:1]) -> None:
    disks = tuple(
        world(here).add_stray_disk(POOL_URL, f"{name}-{n}.img", size_bytes=(n + 1) * GIB)
        for n in range(2)
    )
    world(here).add_stranger(HOST_URL, name, memory_mib=512, disks=disks, macs=macs)


async def seen(here: Place, **more: Any) -> list[Any]:
    listed = await here.admin("listUnmanagedInstances", clusterid=str(MAIN), **more)
    return list(listed.get("unmanagedinstance", []))


async def ask_for(here: Place) -> dict[str, Any]:
    net = await network(here.ann, "a", "10.1.5")
    ann = await here.admin.one("listAccounts", "account", name="ann", listall="true")
    return {
        "clusterid": str(MAIN), "name": "legacy", "serviceofferingid": SMALL, "account": "ann",
        "domainid": ann["domainid"], "nicnetworklist[0].nic": MACS[0],
        "nicnetworklist[0].network": net, "nicipaddresslist[0].nic": MACS[0],
        "nicipaddresslist[0].ip4Address": "10.1.5.42",
    }  # fmt: skip


async def test_a_stranger_is_imported_as_it_runs_and_lives_as_ours(here: Place) -> None:
    add_stranger(here)
    (found,) = await seen(here)
    assert (found["name"], found["powerstate"], found["memory"]) == ("legacy", "PowerOn", 512)
    assert [disk["capacity"] // GIB for disk in found["disk"]] == [1, 2]
    assert found["disk"][0]["datastorename"] == "pool"
    assert found["nic"] == [{"id": MACS[0], "macaddress": MACS[0]}]
    ask = await ask_for(here) | {
        "datadiskofferinglist[0].disk": "disk1",
        "datadiskofferinglist[0].diskOffering": CUSTOM_DISK,
    }
    dry = await here.admin("importUnmanagedInstance", **ask, dryrun="true")
    assert dry["dryrun"] is True and await seen(here) == [found]
    vm = (await here.admin.job("importUnmanagedInstance", **ask))["virtualmachine"]
    assert (vm["state"], vm["name"], vm["account"]) == ("Running", "legacy", "ann")
    assert (vm["nic"][0]["macaddress"], vm["nic"][0]["ipaddress"]) == (MACS[0], "10.1.5.42")
    assert vm["instancename"] == "legacy"
    assert await seen(here) == []
    held = list(here.controller.cloud.view(Capacity).holds_of_vm(UUID(vm["id"])))
    assert [one.memory_mib for one in held] == [512]
    disks = (await here.ann("listVolumes"))["volume"]
    assert {(d["type"], d["size"] // GIB, d["state"]) for d in disks} == {
        ("ROOT", 1, "Ready"), ("DATADISK", 2, "Ready"),
    }  # fmt: skip
    await here.ann.job("stopVirtualMachine", id=vm["id"])
    started = await here.ann.job("startVirtualMachine", id=vm["id"])
    assert started["virtualmachine"]["nic"][0]["macaddress"] == MACS[0]
    await here.admin.job("destroyVirtualMachine", id=vm["id"], expunge="true")
    assert [d["type"] for d in (await here.ann("listVolumes"))["volume"]] == ["DATADISK"]


async def test_what_does_not_fit_is_refused_before_anything_happens(here: Place) -> None:
    add_stranger(here)
    ask = await ask_for(here)
    position = here.controller.cloud.position
    await asyncio.sleep(1.1)  # a moment on the wire is a whole second
    past = datetime.fromtimestamp(here.controller.cloud.at_ms / 1000 + 1, UTC)
    moment = past.strftime("%Y-%m-%dT%H:%M:%S+0000")
    for change, words in (
        ({"serviceofferingid": MEDIUM}, "choose one that fits"),
        ({"name": "nobody"}, "no host of this cluster runs a guest nobody"),
        ({"nicnetworklist[0].nic": "52:54:00:99:99:99"}, "there is no network card"),
        ({"nicipaddresslist[0].ip4Address": "10.9.9.9"}, "is not in"),
        ({"datadiskofferinglist[0].disk": "disk0",
          "datadiskofferinglist[0].diskOffering": CUSTOM_DISK}, "there is no data disk disk0"),
    ):  # fmt: skip
        with pytest.raises(CloudStackApiException, match=words):
            await here.admin("importUnmanagedInstance", **(ask | change))
    assert here.controller.cloud.position == position
    with pytest.raises(CloudStackApiException, match="asof out"):
        await seen(here, asof=moment)
    with pytest.raises(CloudStackApiException):
        await here.ann("importUnmanagedInstance", **ask)


async def test_a_guest_of_ours_is_let_go_of_and_runs_on(here: Place) -> None:
    vm = await deploy(here.ann, diskofferingid=CUSTOM_DISK, size=1)
    await here.admin.job("unmanageVirtualMachine", id=vm["id"])
    assert await here.ann("listVirtualMachines") == {}
    assert await here.ann("listVolumes") == {}
    (guest,) = world(here).residue().guests
    assert (guest.guest_id, guest.power, len(guest.disks)) == (None, "running", 2)
    assert all(disk.volume_id is None for disk in world(here).residue().disks)
    assert not here.controller.cloud.view(Capacity).holds
    assert not here.controller.cloud.view(Space).holds
    (found,) = await seen(here)
    mac = vm["nic"][0]["macaddress"]
    fresh = await deploy(here.ann, networkids=vm["nic"][0]["networkid"])
    assert fresh["nic"][0]["macaddress"] != mac, "who was let go of goes on using it"
    back = await here.admin.job(
        "importUnmanagedInstance", clusterid=str(MAIN), name=found["name"],
        hostname="again", serviceofferingid=SMALL, account="ann", domainid=vm["domainid"],
        **{"nicnetworklist[0].nic": mac, "nicnetworklist[0].network": vm["nic"][0]["networkid"]},
    )  # fmt: skip
    assert back["virtualmachine"]["state"] == "Running"
    assert back["virtualmachine"]["id"] != vm["id"]
    other = await deploy(here.ann, networkids=vm["nic"][0]["networkid"])
    assert (back["virtualmachine"]["nic"][0]["macaddress"], mac) == (mac, mac)
    assert other["nic"][0]["macaddress"] != mac, "its MAC address is its own again"
    await here.admin.job("destroyVirtualMachine", id=back["virtualmachine"]["id"], expunge="true")
    last = await deploy(here.ann, networkids=vm["nic"][0]["networkid"])
    assert last["nic"][0]["macaddress"] == mac, "it is given back with its guest"


async def test_a_mac_that_another_guest_has_is_shared_only_if_that_is_said(here: Place) -> None:
    vm = await deploy(here.ann)
    mac, net = vm["nic"][0]["macaddress"], vm["nic"][0]["networkid"]
    add_stranger(here, macs=(mac,))
    ask = {
        "clusterid": str(MAIN), "name": "legacy", "serviceofferingid": SMALL, "account": "ann",
        "domainid": vm["domainid"], "nicnetworklist[0].nic": mac,
        "nicnetworklist[0].network": net,
    }  # fmt: skip
    with pytest.raises(CloudStackApiException, match="another guest has the MAC address"):
        await here.admin("importUnmanagedInstance", **ask)
    both = (await here.admin.job("importUnmanagedInstance", **ask, forced="true"))["virtualmachine"]
    assert both["nic"][0]["macaddress"] == mac
    await here.admin.job("destroyVirtualMachine", id=both["id"], expunge="true")
    other = await deploy(here.ann, networkids=net)
    assert other["nic"][0]["macaddress"] != mac, "the first guest has it still"


async def test_a_mac_of_another_zones_range_is_kept(here: Place) -> None:
    """It was another cloud's, or another zone's, before it came here."""
    mac = "02:53:ff:ff:ff:01"
    add_stranger(here, macs=(mac,))
    ask = await ask_for(here) | {"nicnetworklist[0].nic": mac, "nicipaddresslist[0].nic": mac}
    vm = (await here.admin.job("importUnmanagedInstance", **ask))["virtualmachine"]
    assert vm["nic"][0]["macaddress"] == mac
    add_stranger(here, name="second", macs=(mac,))
    again = ask | {"name": "second", "nicipaddresslist[0].ip4Address": "10.1.5.43"}
    with pytest.raises(CloudStackApiException, match="another guest has the MAC address"):
        await here.admin("importUnmanagedInstance", **again)
    both = await here.admin.job("importUnmanagedInstance", **again, forced="true")
    await here.admin.job("destroyVirtualMachine", id=vm["id"], expunge="true")
    add_stranger(here, name="third", macs=(mac,))
    with pytest.raises(CloudStackApiException, match="another guest has the MAC address"):
        await here.admin("importUnmanagedInstance", **(again | {"name": "third"}))
    await here.admin.job("destroyVirtualMachine", id=both["virtualmachine"]["id"], expunge="true")
    await here.admin.job("importUnmanagedInstance", **(again | {"name": "third"}))


async def test_who_has_a_foreign_mac_is_known_without_looking_at_all_guests(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    mac = "02:53:ff:ff:ff:01"
    add_stranger(here, macs=(mac,))
    ask = await ask_for(here) | {"nicnetworklist[0].nic": mac, "nicipaddresslist[0].nic": mac}
    table = here.controller.cloud[vms]
    looked: list[str] = []
    by = table.by

    def watched(name: str, value: Any) -> Any:
        looked.append(name)
        return by(name, value)

    monkeypatch.setattr(table, "by", watched)
    monkeypatch.setattr(table, "each", lambda: looked.append("each"))
    await here.admin("importUnmanagedInstance", **ask, dryrun="true")
    assert not {"zone_id", "each"} & set(looked), "all guests of the zone were looked at"


async def test_a_stopped_guest_is_not_let_go_of(here: Place) -> None:
    vm = await deploy(here.ann, startvm="false")
    with pytest.raises(CloudStackApiException, match="it must be Running"):
        await here.admin.job("unmanageVirtualMachine", id=vm["id"])
