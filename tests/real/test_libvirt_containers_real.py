"""A container's whole life through the API, beside simulated hosts in one zone.

The controller runs in the namespaces of a libvirt host of the tests' own; what is seen is asked of
that libvirt and of the host's files.
"""

from __future__ import annotations

import asyncio
import base64
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libvirt
import pytest

from tests.drivers import harness_libvirt_lxc as bench
from tests.e2e.server import Api, Awaitable, Server
from tests.guest.container import SIZE_BYTES, container_image
from tests.guest.tiny import absent
from tests.infra.build import Built, data_center
from tests.peers import libvirt as peer
from tests.real.test_quickstart import until

DRIVERS = ("libvirt",)
pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


@dataclass
class Yard:
    """A zone with a container host in it."""

    server: Server
    host: peer.LibvirtHost
    libvirt: Any
    built: Built
    template_id: str
    offering_id: str

    @property
    def api(self) -> Api:
        return self.server.api()

    @property
    def pool(self) -> Path:
        return self.server.home / "containers"

    def state(self, vm_id: str) -> int | None:
        try:
            return int(self.libvirt.lookupByUUIDString(vm_id).state()[0])
        except libvirt.libvirtError as error:
            assert error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN, error
            return None

    def inside(self, volume_id: str, name: str) -> str:
        """A file in a container's root, read from its disk beside it."""
        words = ("debugfs", "-R", f"cat /{name}", str(self.pool / f"{volume_id}.raw"))
        subprocess.run(["sync"], check=True, timeout=60)
        return subprocess.run(words, capture_output=True, text=True, timeout=30).stdout

    def boots(self, volume_id: str) -> int:
        """How often its init has begun: more than once where libvirt missed the first one's word,
        as the driver then starts it anew."""
        return int(self.inside(volume_id, "boots").strip() or 0)

    def left(self) -> set[str]:
        """Disks, links, bridges and domains that a container could leave behind."""
        disks = {one.name for one in self.pool.glob("*.raw")}
        enter = ("nsenter", "--target", str(self.host.pid), "--mount", "--net")
        seen = subprocess.run(
            [*enter, "sh", "-c", "ls /run/sagastack 2>/dev/null; ls /sys/class/net"],
            capture_output=True,
            text=True,
            timeout=120,
        ).stdout.split()
        # A bridge of a network that was used stays, and costs nothing.
        links = {one for one in seen if "br0" not in one}
        return disks | links | {one.UUIDString() for one in self.libvirt.listAllDomains()}


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    if lacking := bench.missing():
        absent(f"there can be no containers: {lacking}")
    host = peer.container_host()
    home = tmp_path_factory.mktemp("containers") / "home"
    enter = ("nsenter", "--target", str(host.pid), "--mount", "--uts", "--net")
    # Tools ask /proc about themselves, and the host's knows its own processes alone.
    enter += ("unshare", "--mount", "sh", "-ec", 'mount -t proc proc /proc; exec "$@"', "sh")
    settings = f"default_bridge=br0,config_dir={home}/config,reboot_s=4"
    server = Server(home, through=enter, SAGASTACK_LIBVIRT=settings, SAGASTACK_RECONCILE_S="1")
    witness = libvirt.open(host.uri.replace("qemu", "lxc", 1))
    libvirt.registerErrorHandler(lambda _, error: None, None)  # Else it prints what it raises.
    try:
        server.start("serve", "--host", host.address, "--port", "0")
        yield build(server, host, witness)
    finally:
        if server.runs:
            server.stop()
        for domain in witness.listAllDomains():
            domain.destroy()
        witness.close()


def build(server: Server, host: peer.LibvirtHost, witness: Any) -> Yard:
    api = server.api()
    built = asyncio.run(data_center(Awaitable(api), hosts_each=1))  # type: ignore[arg-type]
    api("updateConfiguration", name="allow.user.expunge.recover.vm", value="true")
    where = {"zoneid": built.zone, "podid": built.pod}
    cluster = api(
        "addCluster", clustername="yard", clustertype="CloudManaged", hypervisor="LXC", **where
    )["cluster"][0]["id"]
    where["clusterid"] = cluster
    api("addHost", hypervisor="LXC", url="lxc:///system", username="", password="", **where)
    folder = server.home / "containers"
    folder.mkdir()
    url = f"SharedMountPoint://{folder}"
    api("createStoragePool", name="containers", url=url, hypervisor="LXC", **where)
    os_type = api("listOsTypes", description="Other Linux (64-bit)")["ostype"][0]["id"]
    template = api(
        "registerTemplate", name="busybox", displaytext="busybox", format="RAW", hypervisor="LXC",
        url=container_image().as_uri(), zoneid=built.zone, ostypeid=os_type,
    )["template"][0]["id"]  # fmt: skip

    def ready() -> bool:
        found = api.one("listTemplates", "template", id=template, templatefilter="all")
        return bool(found["isready"])

    until(ready, "the template is ready")
    offering = api(
        "createServiceOffering", name="box", displaytext="box", cpunumber=1, cpuspeed=200, memory=64
    )["serviceoffering"]["id"]
    return Yard(server, host, witness, built, template, offering)


def test_a_containers_whole_life(yard: Yard) -> None:
    api, before = yard.api, yard.left()
    shape = {"zoneid": yard.built.zone, "templateid": yard.template_id}
    shape |= {"serviceofferingid": yard.offering_id}
    told = base64.b64encode(b"hello").decode()
    vm = api("deployVirtualMachine", name="box", userdata=told, **shape)["virtualmachine"]
    assert (vm["state"], vm["hypervisor"]) == ("Running", "LXC")
    root = api.one("listVolumes", "volume", virtualmachineid=vm["id"], type="ROOT")["id"]
    assert yard.state(vm["id"]) == libvirt.VIR_DOMAIN_RUNNING
    until(lambda: yard.boots(root) > 0, "its init has run")
    until(lambda: yard.inside(root, "told") != "", "it was told its user data")

    snapshot = api("createSnapshot", volumeid=root)["snapshot"]
    assert yard.state(vm["id"]) == libvirt.VIR_DOMAIN_RUNNING, "it stood still for a moment"
    first = yard.boots(root)
    api("rebootVirtualMachine", id=vm["id"])
    until(lambda: yard.boots(root) > first, "it has started again")
    api("stopVirtualMachine", id=vm["id"])
    assert yard.state(vm["id"]) is None
    larger = api("resizeVolume", id=root, size=1)["volume"]
    assert larger["size"] == 2**30 > SIZE_BYTES
    second = yard.boots(root)
    api("startVirtualMachine", id=vm["id"])
    until(lambda: yard.boots(root) > second, "it starts from its larger disk")
    api("stopVirtualMachine", id=vm["id"], forced=True)
    api("revertSnapshot", id=snapshot["id"])
    assert 0 < yard.boots(root) <= first
    api("deleteSnapshot", id=snapshot["id"])
    api("destroyVirtualMachine", id=vm["id"], expunge=True)
    assert yard.left() == before


def test_what_a_container_cannot_is_refused_with_the_reason(yard: Yard) -> None:
    api, before = yard.api, yard.left()
    shape = {"zoneid": yard.built.zone, "templateid": yard.template_id}
    shape |= {"serviceofferingid": yard.offering_id, "name": "no"}
    uefi = {"boottype": "UEFI", "bootmode": "LEGACY"}
    api.refused("deployVirtualMachine", 431, "no firmware", **shape, **uefi)
    tpm = {"details[0].virtual.tpm.enabled": "true"}
    api.refused("deployVirtualMachine", 431, "no hardware of its own", **shape, **tpm)
    assert not api("listVirtualMachines", name="no").get("virtualmachine")
    assert yard.left() == before
