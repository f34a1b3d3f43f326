"""Whole lives of guests on hosts that an extension drives, through the API of a real controller.

`examples/proxmox` drives a Proxmox VE cluster that a server of ours plays in a process of its own;
`examples/extension` a world of files. At the end nothing is left but what pools keep of templates.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cs import CloudStackApiException

from tests.drivers import harness_extension, harness_proxmox
from tests.e2e.server import Api, Awaitable, Server, serving
from tests.guest.tiny import absent
from tests.infra.build import physical_network, pod, zone
from tests.real.test_quickstart import until

DRIVERS = ("extension",)
pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]
ROOT = Path(__file__).parents[2]
MIB = 2**20
AT = 4 * MIB


class Peer:
    """The cluster's process, and what it tells beside its API."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self.told: dict[str, Any] = json.loads(process.stdout.readline())

    def ask(self, *words: str) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def cluster(folder: Path) -> Iterator[Peer]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.peers.proxmox", str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    try:
        yield Peer(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)


@dataclass
class Cloud:
    """A zone with a cluster of hosts that an extension drives."""

    server: Server
    api: Api
    where: dict[str, str]

    def image_of(self, name: str, form: str) -> str:
        """A template, ready."""
        raw = self.server.home / f"{name}.raw"
        raw.write_bytes(b"\xeb\x63" + bytes(510) + b"a system of ours" * 4096 + bytes(15 * MIB))
        image = raw.with_suffix(f".{form}")
        words = ["qemu-img", "convert", "-f", "raw", "-O", form, str(raw), str(image)]
        if form != "raw":
            subprocess.run(words, check=True, timeout=60)
        made = self.api(
            "registerTemplate", name=name, displaytext=name, format=form.upper(),
            hypervisor="External", url=image.as_uri(), zoneid=self.where["zoneid"],
            ostypeid=self.api("listOsTypes", description="Other Linux (64-bit)")["ostype"][0]["id"],
        )["template"][0]  # fmt: skip

        def settled() -> bool:
            found = self.api.one("listTemplates", "template", id=made["id"], templatefilter="all")
            assert "error" not in found.get("status", "").lower(), found["status"]
            return bool(found["isready"])

        until(settled, f"the template {name} is settled")
        return str(made["id"])

    def network(self, name: str) -> str:
        """One whose guests are told their user data by a disc."""
        offering = self.api("listNetworkOfferings", name="DefaultL2NetworkOfferingConfigDriveVlan")
        made = self.api(
            "createNetwork", zoneid=self.where["zoneid"], name=name, displaytext=name, vlan="107",
            networkofferingid=offering["networkoffering"][0]["id"],
        )["network"]  # fmt: skip
        return str(made["id"])

    def deploy(self, template: str, **more: Any) -> dict[str, Any]:
        size = self.api.one("listServiceOfferings", "serviceoffering", name="Small Instance")
        made: dict[str, Any] = self.api(
            "deployVirtualMachine", zoneid=self.where["zoneid"], templateid=template,
            serviceofferingid=size["id"], **more,
        )["virtualmachine"]  # fmt: skip
        return made


def build(server: Server, folder: Path, pools: dict[str, str], **host: str) -> Cloud:
    api = server.api()
    calls: Any = Awaitable(api)
    api("updateConfiguration", name="allow.user.expunge.recover.vm", value="true")
    zone_id = asyncio.run(zone(calls))
    asyncio.run(physical_network(calls, zone_id))
    where = {"zoneid": zone_id, "podid": asyncio.run(pod(calls, zone_id))}
    made = api(
        "addCluster", **where, clustername="there", clustertype="CloudManaged",
        hypervisor="External",
    )  # fmt: skip
    where["clusterid"] = made["cluster"][0]["id"]
    api("addHost", **where, hypervisor="External", **host)
    for name, url in pools.items():
        api("createStoragePool", **where, name=name, url=url, scope="cluster")
    (folder / "store").mkdir()
    store = (folder / "store").as_uri()
    api("addImageStore", zoneid=zone_id, provider="NFS", name="store", url=store)
    api("updateZone", id=zone_id, allocationstate="Enabled")
    return Cloud(server, api, where)


@pytest.fixture(scope="module")
def proxmox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, Peer]]:
    if shutil.which("qemu-img") is None:
        absent("qemu-img is not installed (qemu-utils)")
    folder = tmp_path_factory.mktemp("proxmox")
    chosen = {"SAGASTACK_DRIVER_EXTENSION": f"folder={harness_proxmox.installed(folder)}"}
    with cluster(folder / "there") as peer, serving(folder / "home", **chosen) as server:
        pools = {name: f"proxmox://there/{name}" for name in ("one", "two")}
        host = {name: peer.told[name] for name in ("url", "username", "password")}
        yield build(server, folder, pools, **host), peer


def test_a_clusters_nodes_are_added_at_once(proxmox: tuple[Cloud, Peer]) -> None:
    cloud, peer = proxmox
    hosts = cloud.api("listHosts", type="Routing")["host"]
    assert {one["name"] for one in hosts} == {"pve1", "pve2"}
    assert {(one["state"], one["hypervisor"]) for one in hosts} == {("Up", "External")}
    pools = cloud.api("listStoragePools")["storagepool"]
    assert {(one["name"], one["type"], one["state"]) for one in pools} == {
        ("one", "PreSetup", "Up"),
        ("two", "PreSetup", "Up"),
    }
    with pytest.raises(CloudStackApiException, match="pin=sha256"):
        cloud.api(
            "addHost", **cloud.where, hypervisor="External", url=peer.told["plain"],
            username=peer.told["username"], password=peer.told["password"],
        )  # fmt: skip


def test_a_whole_life_on_proxmox_leaves_nothing(proxmox: tuple[Cloud, Peer]) -> None:
    cloud, peer = proxmox
    api, template = cloud.api, cloud.image_of("system", "qcow2")
    network = cloud.network("first")
    vm = cloud.deploy(
        template, name="whole", networkids=network,
        userdata=base64.b64encode(b"#cloud-config\n").decode(),
    )  # fmt: skip
    vm_id = {"id": vm["id"]}
    node = peer.ask("running")["whole"]
    assert (vm["state"], vm["hostname"]) == ("Running", node)
    config = peer.ask("config", "whole")
    assert config["net0"].endswith(",bridge=cloudbr0,tag=107"), config
    assert "sagastack-config-" in config["ide0"], config

    root = api.one("listVolumes", "volume", virtualmachineid=vm["id"], type="ROOT")
    write(peer, root["path"], 1)
    snapshot = api("createSnapshot", volumeid=root["id"])["snapshot"]
    data = api(
        "createVolume", zoneid=cloud.where["zoneid"], name="data", size=1,
        diskofferingid=api("listDiskOfferings", name="Custom")["diskoffering"][0]["id"],
    )["volume"]  # fmt: skip
    api("attachVolume", id=data["id"], virtualmachineid=vm["id"])
    assert "scsi1" in peer.ask("config", "whole")
    api("resizeVolume", id=data["id"], size=2)
    assert "size=2G" in peer.ask("config", "whole")["scsi1"]

    hosts = api("listHosts", type="Routing")["host"]
    other = next(one for one in hosts if one["id"] != vm["hostid"])
    api("migrateVirtualMachine", virtualmachineid=vm["id"], hostid=other["id"])
    assert peer.ask("running") == {"whole": other["name"]}
    api("detachVolume", id=data["id"])
    assert "scsi1" not in peer.ask("config", "whole")
    api("rebootVirtualMachine", **vm_id)
    with pytest.raises(CloudStackApiException, match="keeps a guest's snapshots with its VM"):
        api("createVMSnapshot", virtualmachineid=vm["id"])

    api("stopVirtualMachine", **vm_id)
    assert peer.ask("running") == {}
    write(peer, root["path"], 2)
    api("revertSnapshot", id=snapshot["id"])
    assert read(peer, root["path"]) == 1
    api("startVirtualMachine", **vm_id)
    assert list(peer.ask("running")) == ["whole"]
    api("deleteSnapshot", id=snapshot["id"])
    api("destroyVirtualMachine", **vm_id, expunge=True)
    api("deleteVolume", id=data["id"])
    api("deleteNetwork", id=network)
    assert peer.ask("left") == {}


def _file(peer: Peer, path: str) -> Path:
    return Path(peer.ask("file", f"sagastack.disk.{path.split('/')[1]}."))


def write(peer: Peer, path: str, byte: int) -> None:
    with _file(peer, path).open("r+b") as file:
        file.seek(AT)
        file.write(bytes([byte]))


def read(peer: Peer, path: str) -> int:
    with _file(peer, path).open("rb") as file:
        file.seek(AT)
        return file.read(1)[0]


def test_a_whole_life_on_a_world_of_files_leaves_nothing(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("files")
    for name in ("host", "pool"):
        (folder / name).mkdir()
    chosen = {"SAGASTACK_DRIVER_EXTENSION": f"folder={harness_extension.installed(folder)}"}
    with serving(folder / "home", **chosen) as server:
        cloud = build(
            server, folder, {"pool": (folder / "pool").as_uri()},
            url=f"external://{folder}/host?memory_mib=4096", username="x", password="x",
        )  # fmt: skip
        api, network = cloud.api, cloud.network("first")
        vm = cloud.deploy(cloud.image_of("system", "raw"), name="whole", networkids=network)
        assert vm["state"] == "Running" and power(folder) == ["running"]
        api("stopVirtualMachine", id=vm["id"])
        assert power(folder) == []
        api("startVirtualMachine", id=vm["id"])
        assert power(folder) == ["running"]
        with pytest.raises(CloudStackApiException, match="this example keeps no copies"):
            root = api.one("listVolumes", "volume", virtualmachineid=vm["id"], type="ROOT")
            api("createSnapshot", volumeid=root["id"])
        api("destroyVirtualMachine", id=vm["id"], expunge=True)
        api("deleteNetwork", id=network)
        assert power(folder) == [] and list((folder / "pool" / "disks").iterdir()) == []


def power(folder: Path) -> list[str]:
    files = (folder / "host" / "guests").glob("[!.]*.json")
    return [json.loads(one.read_text())["status"]["power"] for one in files]
