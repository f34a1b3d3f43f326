"""Guests' whole lives through the API on a region of OpenStack, after which nothing is left there.

The same lives on a server of ours, in seconds, and on the services themselves, in minutes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.real.openstack_site import Site, Witness, deploy, tool, until

GIB = 2**30


class Lives:
    """What a module says of its `site`: one that inherits from this has each life lived there."""

    def test_a_region_is_a_cluster_of_its_compute_hosts(self, site: Site) -> None:
        assert sorted(one["name"] for one in site.hosts) == ["compute1", "compute2"]
        assert {one["state"] for one in site.hosts} == {"Up"}
        hypervisors = site.witness("compute", "/os-hypervisors/detail")["hypervisors"]
        assert len(hypervisors) == 2
        pools = site.api("listStoragePools", zoneid=site.zone)["storagepool"]
        assert {one["type"] for one in pools} == {"Cinder"}
        assert all(one["disksizetotal"] > 0 for one in pools)

    def test_a_whole_life_leaves_nothing(self, site: Site) -> None:
        api, before = site.api, site.witness.left()
        vm = deploy(site, "whole")
        server = site.of(vm)
        assert (vm["state"], server["status"]) == ("Running", "ACTIVE")
        assert server["OS-EXT-SRV-ATTR:host"] == vm["hostname"]
        assert (server["flavor"]["vcpus"], server["flavor"]["ram"]) == (1, 256)
        root = api.one("listVolumes", "volume", virtualmachineid=vm["id"], type="ROOT")
        volume = site.disk(root)
        assert (volume["status"], volume["volume_type"]) == ("in-use", "fast")
        assert volume["attachments"][0]["server_id"] == server["id"]
        assert site.cards(vm) == [vm["nic"][0]["macaddress"]]

        screen = api("createConsoleEndpoint", virtualmachineid=vm["id"])["consoleendpoint"]
        assert screen["success"] and "vnc_auto.html?path=%3Ftoken%3D" in screen["url"]
        assert screen["details"] == "open it with a browser"
        data_id = data_disk(site, vm)
        api("rebootVirtualMachine", id=vm["id"])
        assert site.of(vm)["id"] == server["id"], "it is rebooted in place"
        snapshot = api("createSnapshot", volumeid=root["id"])["snapshot"]
        assert snapshot["state"] == "BackedUp"
        bigger = api("createServiceOffering", name="bigger", displaytext="bigger", cpunumber=2,
                     cpuspeed=500, memory=512, tags="fast")["serviceoffering"]  # fmt: skip
        for more in ({}, {"dryrun": True}):
            api.refused("scaleVirtualMachine", 431, "only by stopping it", id=vm["id"],
                        serviceofferingid=bigger["id"], **more)  # fmt: skip
        api.refused("createVMSnapshot", 431, "never the memory", virtualmachineid=vm["id"])
        api("stopVirtualMachine", id=vm["id"])
        assert site.of(vm) is None, "a guest that does not run is on no host"
        assert site.disk(root)["status"] == "available"
        api("scaleVirtualMachine", id=vm["id"], serviceofferingid=bigger["id"])
        api("revertSnapshot", id=snapshot["id"])
        api("startVirtualMachine", id=vm["id"])
        again = site.of(vm)
        assert (again["flavor"]["vcpus"], again["flavor"]["ram"]) == (2, 512)
        held = {one["id"] for one in again["os-extended-volumes:volumes_attached"]}
        assert held == {site.disk(root)["id"], site.disk({"id": data_id})["id"]}

        api("deleteSnapshot", id=snapshot["id"])
        api("destroyVirtualMachine", id=vm["id"], expunge=True, volumeids=data_id)
        assert site.witness.left() == before

    def test_a_guest_migrates_while_it_runs(self, site: Site) -> None:
        vm = deploy(site, "mover")
        before = site.of(vm)
        other = next(one for one in site.hosts if one["name"] != vm["hostname"])
        moved = site.api("migrateVirtualMachine", virtualmachineid=vm["id"], hostid=other["id"])
        assert moved["virtualmachine"]["hostname"] == other["name"]
        server = site.of(vm)
        assert (server["status"], server["OS-EXT-SRV-ATTR:host"]) == ("ACTIVE", other["name"])
        assert server["id"] == before["id"]
        site.api("destroyVirtualMachine", id=vm["id"], expunge=True)

    def test_a_card_is_plugged_and_pulled_while_the_guest_runs(self, site: Site) -> None:
        vm, offered = deploy(site, "carded"), "DefaultL2NetworkOfferingConfigDrive"
        kind = site.api.one("listNetworkOfferings", "networkoffering", name=offered)
        more = site.api("createNetwork", zoneid=site.zone, name="more", displaytext="more",
                        networkofferingid=kind["id"])["network"]  # fmt: skip
        ask = {"virtualmachineid": vm["id"], "networkid": more["id"]}
        cards = site.api("addNicToVirtualMachine", **ask)["virtualmachine"]["nic"]
        assert site.cards(vm) == sorted(one["macaddress"] for one in cards)
        added = next(one for one in cards if one["networkid"] == more["id"])
        site.api("removeNicFromVirtualMachine", virtualmachineid=vm["id"], nicid=added["id"])
        assert site.cards(vm) == [vm["nic"][0]["macaddress"]]
        site.api("destroyVirtualMachine", id=vm["id"], expunge=True)
        site.api("deleteNetwork", id=more["id"])

    def test_a_volume_moves_to_another_type(self, site: Site) -> None:
        vm = deploy(site, "typed")
        root = site.api.one("listVolumes", "volume", virtualmachineid=vm["id"], type="ROOT")
        pools = {one["name"]: one["id"] for one in site.api("listStoragePools")["storagepool"]}
        ask = {"volumeid": root["id"], "storageid": pools["slow"], "livemigrate": True}
        site.api("migrateVolume", **ask)
        moved = site.disk(root)
        assert (moved["volume_type"], moved["status"]) == ("slow", "in-use")
        site.api("stopVirtualMachine", id=vm["id"], forced=True)
        site.api("migrateVolume", volumeid=root["id"], storageid=pools["fast"])
        assert site.disk(root)["volume_type"] == "fast"
        site.api("destroyVirtualMachine", id=vm["id"], expunge=True)

    def test_a_guest_becomes_a_template(self, site: Site, tmp_path: Path) -> None:
        """Its bytes come through Cinder and Glance, and are what the first image held."""
        vm = deploy(site, "golden")
        root = site.api.one("listVolumes", "volume", virtualmachineid=vm["id"], type="ROOT")
        site.api("stopVirtualMachine", id=vm["id"], forced=True)
        kind = site.api("listOsTypes", description="Other Linux (64-bit)")["ostype"][0]["id"]
        ask = {"volumeid": root["id"], "name": "gold", "ostypeid": kind}
        made = site.api("createTemplate", **ask)["template"]
        held = site.server.home / "images" / site.zone / f"{made['id']}.qcow2"
        tool("qemu-io", "-r", "-f", "qcow2", "-c", "read -P 0x5a 1M 64k", str(held))
        site.api("destroyVirtualMachine", id=vm["id"], expunge=True)
        site.api("deleteTemplate", id=made["id"])

    def test_what_somebody_else_made_is_adopted(self, site: Site) -> None:
        """A server of another client's is imported, driven, and destroyed with its disk."""
        ask, before = site.witness, site.witness.left()
        body = {"volume": {"size": 1, "name": "theirs", "volume_type": "fast"}}
        volume = ask("block-storage", "/volumes", "POST", body)["volume"]
        until(lambda: volume_of(ask, volume)["status"] == "available", "the volume is made")
        path = f"/volumes/{volume['id']}/action"
        ask("block-storage", path, "POST", {"os-set_bootable": {"bootable": True}})
        flavors = ask("compute", "/flavors/detail")["flavors"]
        flavor = next(one for one in flavors if (one["vcpus"], one["ram"]) == (1, 256))
        root = {
            "boot_index": 0,
            "uuid": volume["id"],
            "source_type": "volume",
            "destination_type": "volume",
            "delete_on_termination": True,
        }
        asked = {"name": "theirs", "flavorRef": flavor["id"], "networks": "none",
                 "imageRef": "", "block_device_mapping_v2": [root]}  # fmt: skip
        made = ask("compute", "/servers", "POST", {"server": asked})["server"]["id"]
        until(lambda: ask("compute", f"/servers/{made}")["server"]["status"] == "ACTIVE", "it runs")
        found = site.api.one(
            "listUnmanagedInstances", "unmanagedinstance", clusterid=site.cluster, name="theirs"
        )
        assert found["disk"][0]["capacity"] == GIB
        vm = site.api(
            "importUnmanagedInstance", clusterid=site.cluster, name="theirs",
            serviceofferingid=site.shape["serviceofferingid"], templateid=site.shape["templateid"],
        )["virtualmachine"]  # fmt: skip
        assert site.of(vm)["id"] == made
        site.api("stopVirtualMachine", id=vm["id"], forced=True)
        assert volume_of(ask, volume)["status"] == "available", "it was to go with its server"
        site.api("startVirtualMachine", id=vm["id"])
        assert site.of(vm)["os-extended-volumes:volumes_attached"][0]["id"] == volume["id"]
        site.api("destroyVirtualMachine", id=vm["id"], expunge=True)
        assert ask.left() == before


def data_disk(site: Site, vm: Any) -> str:
    """Attached while the guest runs, and grown while it has it."""
    api = site.api
    custom = api("listDiskOfferings", name="Custom")["diskoffering"][0]["id"]
    made = api("createVolume", name="data", zoneid=site.zone, diskofferingid=custom, size=1)
    volume = made["volume"]
    api("attachVolume", id=volume["id"], virtualmachineid=vm["id"])
    assert site.disk(volume)["attachments"][0]["server_id"] == site.of(vm)["id"]
    assert api("resizeVolume", id=volume["id"], size=2)["volume"]["size"] == 2 * GIB
    assert site.disk(volume)["size"] == 2
    return str(volume["id"])


def volume_of(ask: Witness, volume: Any) -> Any:
    return ask("block-storage", f"/volumes/{volume['id']}")["volume"]
