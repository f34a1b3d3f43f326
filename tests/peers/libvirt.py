"""Two real libvirt hosts on this machine, each in namespaces of its own, gone when we are.

Each host is one process tree under its own `init` in new mount, PID, network and host-name
namespaces, with private copies of libvirt's folders bound over the usual ones. So a libvirt that
a developer runs here is never touched, and killing the two inits (or dying ourselves: they are
tied to us) takes every daemon, guest and interface away. Nothing needs a name in the root
namespaces except one veth end per host, which its other end takes along.

The hosts meet on a veth pair between their bridges (`br0`, the guests' network) and on another
that carries migration; both are reached from the tests at `address`. A third host, of one test's
own, meets nobody but us: it also listens with TLS. So does one that runs containers. A pair of one
test's own may be killed, and come back as a machine does whose power returns.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4

READY_S = 120.0
LEAVE_S = 60.0
MORTALS = (5, 6)
NOWHERE = "unreachable {address}/32 metric 4096"
NET = f"10.{200 + os.getpid() % 50}.{os.getpid() // 50 % 250}"
SECURED = f"{NET}.3"
BINARIES = ("libvirtd", "virtlogd", "qemu-system-x86_64", "qemu-img", "unshare", "ip", "setpriv")
FOLDERS = {
    "etc": "/etc/libvirt",
    "run": "/run/libvirt",
    "lib": "/var/lib/libvirt",
    "log": "/var/log/libvirt",
    "cache": "/var/cache/libvirt",
}
QEMU_CONF = """\
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
remember_owner = 0
max_core = 0
migration_host = "{address}"
migration_address = "{address}"
"""
LIBVIRTD_CONF = """\
listen_tls = {tls}
listen_tcp = 1
listen_addr = "{address}"
auth_tcp = "none"
auth_unix_rw = "none"
unix_sock_group = "root"
host_uuid = "{uuid}"
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
"""
# Containers need control groups: the host's own part of each, which is its root of them.
CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids")
NAMED = "systemd"  # A hierarchy without a controller, which libvirt puts containers into as well.
GROUPS = Path("/sys/fs/cgroup")
MOUNT_GROUPS = """\
mount -t tmpfs cgroup /sys/fs/cgroup
for one in {controllers}; do
  mkdir /sys/fs/cgroup/$one; mount -t cgroup -o $one cgroup /sys/fs/cgroup/$one
done
mkdir /sys/fs/cgroup/{named}
mount -t cgroup -o none,name={named} cgroup /sys/fs/cgroup/{named}
"""
JOIN_GROUPS = """\
for one in {controllers}; do
  at=/sys/fs/cgroup/$one/{name}; mkdir -p $at
  [ $one != cpuset ] || for what in cpus mems; do
    cat /sys/fs/cgroup/cpuset/cpuset.$what >$at/cpuset.$what; done
  [ $one != cpuset ] || echo 1 >$at/cgroup.clone_children
  echo $$ >$at/cgroup.procs
done
exec "$@"
"""
LXC_CONF = 'security_driver = "none"\n'
TLS_CONF = """\
ca_file = "{pki}/cacert.pem"
cert_file = "{pki}/servercert.pem"
key_file = "{pki}/serverkey.pem"
"""
INIT = """\
hostname {name}
for pair in {binds}; do mount --bind "${{pair%%=*}}" "${{pair##*=}}"; done
mount -t sysfs sysfs /sys
mkdir -p /run/netns; mount -t tmpfs netns /run/netns; mount --make-shared /run/netns
{more}
ip link set lo up
ip address add {address}/32 dev lo
while [ ! -e {root}/wired ]; do sleep 0.02; done
virtlogd -d -p /run/libvirt/virtlogd.pid
libvirtd --listen -p /run/libvirt/libvirtd.pid
exit  # the shell stays as the init, to reap what libvirt leaves to it
"""


@dataclass(frozen=True, slots=True)
class LibvirtHost:
    """One running host: how to reach it, and the folder that only it writes."""

    name: str
    address: str
    root: Path
    init: subprocess.Popen[bytes]

    @property
    def uri(self) -> str:
        return f"qemu+tcp://{self.address}/system"

    @property
    def socket(self) -> Path:
        return self.root / "run" / "libvirt-sock"

    @property
    def pid(self) -> int:
        """The init's own pid as we see it: the one child of `unshare`."""
        children = Path(f"/proc/{self.init.pid}/task/{self.init.pid}/children")
        return int(children.read_text().split()[0])


@dataclass(frozen=True, slots=True)
class LibvirtPair:
    """Two hosts and a folder that both see."""

    first: LibvirtHost
    second: LibvirtHost
    shared: Path


def missing() -> str:
    """What this machine lacks to run the pair, or nothing."""
    if os.geteuid() != 0:
        return "root (namespaces, libvirtd)"
    lacking = [name for name in BINARIES if shutil.which(name) is None]
    return f"programs: {', '.join(lacking)}" if lacking else ""


def pair() -> LibvirtPair:
    """The pair of this test run: started at the first call, stopped when the process ends.

    Call it from the main thread: the hosts are tied to the thread that started them.
    """
    hosts = _pair()
    for host in (hosts.first, hosts.second):
        if host.init.poll() is not None:
            raise RuntimeError(f"{host.name} died during the test run; its folder is {host.root}")
    return hosts


@cache
def _pair() -> LibvirtPair:
    root = Path(tempfile.mkdtemp(prefix="sagastack-libvirt-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    shared = root / "shared"
    shared.mkdir()
    first, second = (_spawn(root, index) for index in (1, 2))
    hosts = LibvirtPair(first, second, shared)
    _wire(hosts)
    return hosts


class MortalPair:
    """Two hosts of one test's own, of which either may die."""

    def __init__(self, root: Path) -> None:
        self.shared = root / "shared"
        self.shared.mkdir()
        self._root = root
        self.hosts = [_spawn(root, index) for index in MORTALS]
        _wire(LibvirtPair(self.hosts[0], self.hosts[1], self.shared))

    def kill(self, number: int) -> None:
        """Its power is cut: daemons, guests and wires are gone, and nobody answers there.

        What is sent to its address must not leave this machine by another way.
        """
        host = self.hosts[number]
        _ip(f"route add {NOWHERE.format(address=host.address)}")
        _stop(host.init)
        wire = Path("/sys/class/net", _our_end(MORTALS[number]))
        _wait_for(lambda: not wire.exists(), f"the wire of {host.name} outlives it")

    def power_on(self, number: int) -> None:
        """It boots: what was on its disks is there still, what was in memory is not."""
        host = self.hosts[number] = _spawn(self._root, MORTALS[number])
        _wire_to_us(host, MORTALS[number])
        _ip(f"route del {NOWHERE.format(address=host.address)}")
        _bridge(host)
        _join(self.hosts[1 - number], host)
        _start(host)

    def close(self) -> None:
        for host in self.hosts:
            _stop(host.init)
            way = f"ip route del {NOWHERE.format(address=host.address)}"
            subprocess.run(way.split(), check=False, timeout=60, stderr=subprocess.DEVNULL)


@contextmanager
def mortal_pair() -> Iterator[MortalPair]:
    """Call it from the main thread: the hosts are tied to the thread that started them."""
    with tempfile.TemporaryDirectory(prefix="sagastack-libvirt-", ignore_cleanup_errors=True) as at:
        hosts = MortalPair(Path(at))
        try:
            yield hosts
        finally:
            hosts.close()


@contextmanager
def secured(pki: Path) -> Iterator[LibvirtHost]:
    """A host that listens with TLS too, by the CA's and the server's certificates in `pki`.

    The server's certificate must name `SECURED`, the host's address.
    """
    with tempfile.TemporaryDirectory(prefix="sagastack-libvirt-", ignore_cleanup_errors=True) as at:
        host = _spawn(Path(at), 3, pki=pki)
        try:
            _wire_to_us(host, 3)
            _start(host)
            yield host
        finally:
            _stop(host.init)


def containers_missing() -> str:
    """What this machine lacks to run containers, or nothing."""
    if lacking := missing():
        return lacking
    absent = [one for one in CONTROLLERS if not (GROUPS / one / "tasks").exists()]
    if absent:
        return f"control groups of version 1: {', '.join(absent)}"
    if not Path("/dev/loop-control").exists():
        return "loop devices"
    driver = Path("/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_lxc.so")
    return "" if driver.exists() else "the package libvirt-daemon-driver-lxc"


@cache
def container_host() -> LibvirtHost:
    """A host that runs containers, for this test run, with a bridge `br0` of its own."""
    root = Path(tempfile.mkdtemp(prefix="sagastack-lxc-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    host = _spawn(root, 4, groups=f"sagastack-{os.getpid()}")
    _wire_to_us(host, 4)
    _bridge(host)
    _start(host, "lxc")
    return host


def _leave_groups(name: str) -> None:
    """Control groups outlive those who were in them: remove ours, the innermost first.

    Those who were in them may be dying still.
    """
    end = time.monotonic() + LEAVE_S
    while time.monotonic() < end:
        for one in (*CONTROLLERS, NAMED):
            for folder, _, _ in os.walk(GROUPS / one / name, topdown=False):
                with suppress(OSError):
                    os.rmdir(folder)
        if not any((GROUPS / one / name).exists() for one in (*CONTROLLERS, NAMED)):
            return
        time.sleep(0.05)


def _spawn(parent: Path, index: int, *, pki: Path | None = None, groups: str = "") -> LibvirtHost:
    """Start one host's init; it waits for its wires before it starts libvirt.

    With `groups` it is in control groups of this name, and can run containers. One that was here
    before is the same machine still, by its configuration.
    """
    address = f"{NET}.{index}"
    root = parent / f"host{index}"
    (root / "wired").unlink(missing_ok=True)
    shutil.rmtree(root / "run", ignore_errors=True)
    for name, target in FOLDERS.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        Path(target).mkdir(parents=True, exist_ok=True)
    if not (root / "etc" / "libvirtd.conf").exists():
        (root / "etc" / "qemu.conf").write_text(QEMU_CONF.format(address=address))
        conf = LIBVIRTD_CONF.format(address=address, uuid=uuid4(), tls=1 if pki else 0)
        conf += TLS_CONF.format(pki=pki) if pki else ""
        (root / "etc" / "libvirtd.conf").write_text(conf)
    binds = " ".join(f"{root / name}={target}" for name, target in FOLDERS.items())
    name = f"lvhost{index}"
    controllers = " ".join(CONTROLLERS)
    more = MOUNT_GROUPS.format(controllers=controllers, named=NAMED) if groups else ""
    script = INIT.format(name=name, binds=binds, address=address, root=root, more=more)
    join: list[str] = []
    if groups:
        (root / "etc" / "lxc.conf").write_text(LXC_CONF)
        join = [
            "sh",
            "-ec",
            JOIN_GROUPS.format(controllers=f"{controllers} {NAMED}", name=groups),
            "sh",
        ]
        atexit.register(_leave_groups, groups)
    spaces = [
        *(["--cgroup"] if groups else []),
        "--mount",
        "--uts",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]
    init = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *join, "unshare", *spaces, "sh", "-ec", script],
        stdin=subprocess.DEVNULL,
        stdout=(root / "init.log").open("ab"),
        stderr=subprocess.STDOUT,
    )
    atexit.register(_stop, init)
    return LibvirtHost(name, address, root, init)


def _stop(init: subprocess.Popen[bytes]) -> None:
    init.kill()
    init.wait(timeout=60)


def _wire(hosts: LibvirtPair) -> None:
    """Join the two hosts' bridges, and both of them and us by veth pairs; then they start."""
    both = (hosts.first, hosts.second)
    for host in both:
        _wire_to_us(host, int(host.address.rpartition(".")[2]))
        _bridge(host)
    _join(*both)
    for host in both:
        (host.root / "wired").touch()
    for host in both:
        _wait_ready(host)


def _bridge(host: LibvirtHost) -> None:
    for words in ("link add br0 type bridge", "link set br0 up"):
        _ip_in(host, words)


def _join(a: LibvirtHost, b: LibvirtHost) -> None:
    """The wires between two hosts: one carries migration, the other one their guests."""
    for near, far in (("mig0", "mig0"), ("guest0", "guest0")):
        _ip_in(a, f"link add {near} type veth peer name {far} netns /proc/{b.pid}/ns/net")
    for host, other in ((a, b), (b, a)):
        _ip_in(host, "link set mig0 up")
        _ip_in(host, f"route add {other.address}/32 dev mig0 src {host.address}")
        _ip_in(host, "link set guest0 master br0 up")


def _wire_to_us(host: LibvirtHost, index: int) -> None:
    _wait_for(lambda: _in_own_network(host), f"{host.name} has no network namespace")
    ours, end = f"{NET}.254", _our_end(index)
    _ip(f"link add {end} type veth peer name ctl0 netns {host.pid}")
    _ip(f"address add {ours}/32 dev {end}")
    _ip(f"link set {end} up")
    _ip(f"route add {host.address}/32 dev {end} src {ours}")
    _ip_in(host, "link set ctl0 up")
    _ip_in(host, f"route add {ours}/32 dev ctl0")


def _our_end(index: int) -> str:
    return f"sgt{os.getpid() % 100000}-{index}"


def _start(host: LibvirtHost, scheme: str = "qemu") -> None:
    (host.root / "wired").touch()
    _wait_ready(host, scheme)


def _ip(arguments: str) -> None:
    subprocess.run(["ip", *arguments.split()], check=True, timeout=60)


def _ip_in(host: LibvirtHost, arguments: str) -> None:
    enter = ["nsenter", "--net", "--target", str(host.pid)]
    subprocess.run([*enter, "ip", *arguments.split()], check=True, timeout=60)


def _in_own_network(host: LibvirtHost) -> bool:
    try:
        return os.readlink(f"/proc/{host.pid}/ns/net") != os.readlink("/proc/self/ns/net")
    except (OSError, IndexError):
        return False


def _wait_ready(host: LibvirtHost, scheme: str = "qemu") -> None:
    uri = host.uri.replace("qemu", scheme, 1)
    probe = ["virsh", "-q", "-c", uri, "list"]
    _wait_for(
        lambda: subprocess.run(probe, capture_output=True, timeout=READY_S).returncode == 0,
        f"libvirtd of {host.name} did not answer; see {host.root}/init.log and log/",
    )


def _wait_for(ready: object, complaint: str) -> None:
    assert callable(ready)
    end = time.monotonic() + READY_S
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(complaint)
        time.sleep(0.05)
