"""`sagastack quickstart` on a real libvirt: a guest that boots, and a controller that may die.

The controller runs in the namespaces of a libvirt host of the tests' own: `qemu:///system` is that
host's there, and so are the bridges that it makes. Nothing on the machine itself is touched.
The tests of this file follow one cloud through its life, in their order.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import libvirt
import pytest

from guest.build import READY
from tests.drivers.harness_libvirt import VAR
from tests.e2e.server import Api, Server
from tests.guest.tiny import absent, image
from tests.peers import libvirt as peer

DRIVERS = ("libvirt", "sim")
pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

# Its processes are numbered as ours are, so it is told of them as we are.
OWN_PROC = (
    *("unshare", "--mount", "--propagation", "unchanged"),
    *("sh", "-c", 'mount -t proc proc /proc && exec "$@"', "sh"),
)
FIRST_S = 300.0
BOOT_S = 180.0
# The target is 3 s on an idle machine; tests share theirs.


@dataclass
class First:
    """The first cloud, its first guest, and libvirt itself as the witness."""

    server: Server
    host: peer.LibvirtHost
    libvirt: Any
    told: list[str]
    vm: dict[str, Any] = field(default_factory=dict)

    @property
    def api(self) -> Api:
        return self.server.api()

    def domain(self, vm_id: str) -> Any:
        """What libvirt has under this id, or None."""
        try:
            return self.libvirt.lookupByUUIDString(vm_id)
        except libvirt.libvirtError as error:
            assert error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN, error
            return None

    def pings(self, address: str) -> bool:
        """Whether an address answers this host."""
        inside = ("nsenter", "--target", str(self.host.pid), "--net")
        ping = ("busybox", "ping", "-c", "1", "-W", "1", address)
        return subprocess.run((*inside, *ping), capture_output=True, check=False).returncode == 0

    def is_wired(self, network_id: str) -> bool:
        """Whether a router of this network is on the host. Other tests may have left theirs."""
        wire = f"g{UUID(network_id).hex[:12]}"
        look = ("nsenter", "--target", str(self.host.pid), "--net", "ip", "link", "show", wire)
        return subprocess.run(look, capture_output=True, check=False).returncode == 0

    def boots(self, vm_id: str) -> int:
        """How often the guest has said on its serial console that it is up."""
        logs = (self.server.home / "guest-logs").glob(f"*{vm_id}*")
        return sum(log.read_text(errors="replace").count(READY) for log in logs)

    def disks(self) -> dict[str, int]:
        """The files of volumes in the pool, with their sizes; images of templates are aside."""
        pool = self.server.home / "pool"
        return {path.name: path.stat().st_size for path in pool.glob("*.qcow2")}

    def volumes(self, vm_id: str) -> set[str]:
        listed = self.api("listVolumes", virtualmachineid=vm_id)["volume"]
        return {f"{volume['id']}.qcow2" for volume in listed}


def until(true: Callable[[], bool], what: str, timeout_s: float = BOOT_S) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[First]:
    if lacking := peer.missing():
        absent(f"there can be no libvirt host: {lacking}")
    image()
    host = peer.pair().first
    home = tmp_path_factory.mktemp("real") / "home"
    for built in ("guest", "debs"):
        shutil.copytree(VAR / built, home / built)
    enter = ("nsenter", "--target", str(host.pid), "--mount", "--uts", "--net", *OWN_PROC)
    places = f"config_dir={home}/config-discs,router_dir={home}/routers"
    server = Server(home, through=enter, SAGASTACK_RECONCILE_S="1", SAGASTACK_LIBVIRT=places)
    witness = libvirt.open(host.uri)
    libvirt.registerErrorHandler(lambda _, error: None, None)  # Else it prints what it raises.
    try:
        command = ("quickstart", "--host", host.address, "--port", "0")
        told = server.start(*command, ready="ready in ", timeout_s=FIRST_S)
        yield First(server, host, witness, told)
    finally:
        if server.runs:
            server.stop()
        for domain in witness.listAllDomains():
            if str(home) in domain.XMLDesc():
                domain.destroy()
        witness.close()
        # Routers of the guests' networks run on behind us, as guests do.
        subprocess.run(["pkill", "-KILL", "-f", f"{home}/routers/"], check=False, timeout=20)


def test_the_first_guest_is_real(first: First) -> None:
    told = "\n".join(first.told)
    print(f"\n{first.told[-1]}")
    assert f"serial console: {READY}" in told
    assert "guest first is Running on " in told
    assert (
        f"  console     {first.server.base}/client/\n  endpoint    {first.server.endpoint}" in told
    )
    first.vm = vm = first.api.one("listVirtualMachines", "virtualmachine", name="first")
    assert (vm["state"], vm["hypervisor"]) == ("Running", "KVM")
    domain = first.domain(vm["id"])
    assert domain is not None and domain.isActive()
    assert first.libvirt.getHostname() == vm["hostname"]
    assert set(first.disks()) == first.volumes(vm["id"])
    assert min(first.disks().values()) > 0
    hosts = first.api("listHosts", type="Routing")["host"]
    assert {one["hypervisor"] for one in hosts} == {"KVM", "Simulator"}
    assert {one["state"] for one in hosts} == {"Up"}


def test_its_network_carries_packets(first: First) -> None:
    """The guest has its address by DHCP, and is reached from outside as the rules say."""
    api, vm = first.api, first.vm
    router = api.one("listRouters", "router", listall=True)
    assert (router["hostname"], router["hypervisor"]) == (vm["hostname"], "KVM")
    network = vm["nic"][0]["networkid"]
    assert first.is_wired(network)
    address = api("associateIpAddress", networkid=network)["ipaddress"]
    api("enableStaticNat", ipaddressid=address["id"], virtualmachineid=vm["id"])
    assert not first.pings(address["ipaddress"]), "a closed firewall let somebody in"
    ping = {"protocol": "icmp", "icmptype": 8, "icmpcode": 0}
    rule = api("createFirewallRule", ipaddressid=address["id"], **ping)["firewallrule"]
    until(lambda: first.pings(address["ipaddress"]), "the guest answers at its public address")
    api("deleteFirewallRule", id=rule["id"])
    until(lambda: not first.pings(address["ipaddress"]), "the firewall is closed again")
    api("disassociateIpAddress", id=address["id"])


def test_stop_start_and_reboot_reach_the_domain(first: First) -> None:
    api, vm = first.api, {"id": first.vm["id"]}
    ran = first.domain(vm["id"]).ID()
    boots = first.boots(vm["id"])
    assert api("stopVirtualMachine", **vm)["virtualmachine"]["state"] == "Stopped"
    assert first.domain(vm["id"]) is None, "a guest that does not run is on no host"
    assert set(first.disks()) == first.volumes(vm["id"])
    assert api("startVirtualMachine", **vm)["virtualmachine"]["state"] == "Running"
    assert first.domain(vm["id"]).ID() != ran
    until(lambda: first.boots(vm["id"]) > 0, "the guest boots from its old disk")
    boots = first.boots(vm["id"])
    assert api("rebootVirtualMachine", **vm)["virtualmachine"]["state"] == "Running"
    until(lambda: first.boots(vm["id"]) > boots, "the guest boots again")


@pytest.mark.parametrize(
    ("end", "command", "ready"),
    [("stop", "quickstart", "ready in "), ("kill", "serve", "sagastack serves ")],
)
def test_a_guest_outlives_its_controller(first: First, end: str, command: str, ready: str) -> None:
    """It is stopped and made to go on by `quickstart`, then killed and by `serve`."""
    vm_id = first.vm["id"]
    running, boots = first.domain(vm_id).ID(), first.boots(vm_id)
    getattr(first.server, end)()
    assert first.domain(vm_id).ID() == running
    told = first.server.start(command, "--host", first.host.address, "--port", "0", ready=ready)
    assert command == "serve" or "the same cloud is here again: 1 guests, 1 of them running" in told
    print(f"\nfrom the process's start to the endpoint: {first.server.ready_s:.2f} s")
    vm = first.api.one("listVirtualMachines", "virtualmachine", id=vm_id)
    assert vm["state"] == "Running"
    assert (first.domain(vm_id).ID(), first.boots(vm_id)) == (running, boots)


def test_a_second_guest_comes_and_goes_without_a_trace(first: First) -> None:
    api, before = first.api, set(first.disks())
    same = {name: first.vm[name] for name in ("zoneid", "serviceofferingid", "templateid")}
    vm = api("deployVirtualMachine", **same, name="second")["virtualmachine"]
    assert vm["hypervisor"] == "KVM" and first.domain(vm["id"]).isActive()
    assert set(first.disks()) == before | first.volumes(vm["id"])
    until(lambda: first.boots(vm["id"]) == 1, "the second guest boots")
    assert api("destroyVirtualMachine", id=vm["id"])["virtualmachine"]["state"] == "Destroyed"
    assert first.domain(vm["id"]) is None
    recovered = api("recoverVirtualMachine", id=vm["id"])["virtualmachine"]
    assert recovered["state"] == "Stopped"
    api("destroyVirtualMachine", id=vm["id"])
    assert api("expungeVirtualMachine", id=vm["id"])["success"] is True
    assert set(first.disks()) == before


def test_a_guest_that_is_shot_is_found(first: First) -> None:
    """Somebody ends the guest behind the controller's back."""
    vm = {"id": first.vm["id"]}
    first.domain(vm["id"]).destroy()
    until(
        lambda: first.api.one("listVirtualMachines", "virtualmachine", **vm)["state"] == "Stopped",
        "the reconciler sees that the guest is gone",
    )
    assert first.api("startVirtualMachine", **vm)["virtualmachine"]["state"] == "Running"


def test_nothing_is_left_at_the_end(first: First) -> None:
    first.api("destroyVirtualMachine", id=first.vm["id"], expunge=True)
    home = str(first.server.home)
    assert [one.name() for one in first.libvirt.listAllDomains() if home in one.XMLDesc()] == []
    assert first.disks() == {}
    network = first.vm["nic"][0]["networkid"]
    until(lambda: first.api("deleteNetwork", id=network)["success"], "the network ends")
    until(lambda: not first.is_wired(network), "nothing of its router is left")
    assert first.server.stop() == 0
    for tool in ("replay", "verify"):
        done = first.server.tool(tool)
        assert done.returncode == 0, done.stdout + done.stderr
