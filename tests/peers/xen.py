"""Real Xen hosts: Debian's Xen and libvirt in machines that QEMU emulates, gone when we are.

The image is made once, below the repository's own `var`, by debootstrap from where apt gets its
packages. Xen needs no virtualization to run paravirtual guests, so that plain emulation is enough.
Each is reached at an address of its own through a wire that only we are at the other end of; who
may log in is a key and a password that are made with the image. Two hosts meet on a wire that ends
in the bridge of each (`br0`), and in a folder that both mount.
"""

from __future__ import annotations

import atexit
import fcntl
import gzip
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from secrets import token_urlsafe

from guest import initramfs
from guest.build import RECIPE

VAR = Path(__file__).parents[2] / "var" / "xen"
PACKAGES = (
    *("linux-image-amd64", "xen-hypervisor-4.17-amd64", "xen-utils-4.17", "initramfs-tools"),
    *("libvirt-daemon", "libvirt-daemon-driver-xen", "libvirt-clients", "iproute2", "kmod", "udev"),
    *("libvirt-daemon-config-network", "qemu-system-xen", "qemu-utils", "busybox-static"),
    *("openssh-server", "xen-utils-common"),
)
SUITE = "bookworm"
IMAGE_BYTES = 1800 * 1024**2
MACHINE_MIB, DOM0_MIB = 1700, 900
BUILD_S, BOOT_S = 900.0, 900.0
KERNEL, INITRD = "/guest/vmlinuz", "/guest/initramfs.gz"
READY = "XEN-HOST-READY"
# What a guest's kernel needs beside what it finds in a machine of QEMU's.
FRONTENDS = ("xen_blkfront", "xen_netfront")
BRIDGE = "br0"
# Below, hosts are 1 and 2, and we are 254. libvirt's pairs of the tests are in 10.200 to 10.249.
NET = f"10.{150 + os.getpid() % 50}.{os.getpid() // 50 % 250}"
SHARED = "/shared"
UUID = "5a9a57ac-0000-4000-8000-00000000000"
CONSOLES = "/var/log/xen/console"
BINARIES = (
    "debootstrap",
    "qemu-system-x86_64",
    "mke2fs",
    "virsh",
    "ssh",
    "ssh-keygen",
    "openssl",
    "ip",
)
CONF = """\
listen_tls = 0
listen_tcp = 1
listen_addr = "0.0.0.0"
auth_tcp = "none"
auth_unix_rw = "none"
unix_sock_group = "root"
keepalive_interval = 30
"""
SSH = "UsePAM no\nPermitRootLogin yes\nUseDNS no\n"
# Drivers that would look for a hypervisor of their own in a machine this small.
UNWANTED = ("qemu", "lxc", "vbox", "interface", "nwfilter", "storage")
# What QEMU runs with the name of the card that it made here; that is gone when QEMU is.
UP = """\
#!/bin/sh
ip address add {net}.254/32 dev $1; ip link set $1 up
ip route add {net}.{number}/32 dev $1 src {net}.254
"""
INIT = f"""\
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/xen-4.17/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
mkdir -p /dev/pts; mount -t devpts devpts /dev/pts; mount -t tmpfs run /run
mount -o remount,rw /; mount -t xenfs xenfs /proc/xen
mkdir -p /run/lock /run/xen /run/xenstored /run/libvirt /var/lib/xenstored /var/log/libvirt
for one in xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xen-blkback xen-netback loop virtio_net \
  bridge 8021q 9p 9pnet_virtio
do modprobe $one; done
number=$(tr ' ' '\n' </proc/cmdline | sed -n 's/^number=//p')
ip link set lo up
net=$(tr ' ' '\n' </proc/cmdline | sed -n 's/^net=//p')
ip addr add $net.$number/32 dev lo; ip link add {BRIDGE} type bridge
for one in eth0 eth1 {BRIDGE}; do ip link set $one up; done
ip link set eth1 master {BRIDGE}
ip route add $net.254/32 dev eth0 src $net.$number
ip route add $net.$((3 - number))/32 dev {BRIDGE} src $net.$number
for one in 1 2; do echo $net.$one xenhost$one; done >>/etc/hosts
mkdir -p {SHARED}; mount -t 9p -o trans=virtio,cache=none,msize=262144 shared {SHARED}
mkdir -p /run/sshd; /usr/sbin/sshd
hostname xenhost$number
printf 'host_uuid = "{UUID}%s"\\n' $number >>/etc/libvirt/libvirtd.conf
xenstored --pid-file /run/xen/xenstored.pid
xen-init-dom0
mkdir -p {CONSOLES}
xenconsoled --log=guest --log-dir={CONSOLES} --pid-file=/run/xen/xenconsoled.pid
libvirtd --listen -d -p /run/libvirtd.pid
virsh -c xen:///system version && echo {READY} >/dev/console
while :; do sleep 1000; done
"""


@dataclass(frozen=True, slots=True)
class XenHost:
    """One running host; `shared` is the folder here that every host has as `SHARED`."""

    number: int
    shared: Path
    key: str
    password: str
    root: Path
    machine: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        return f"{NET}.{self.number}"

    @property
    def uri(self) -> str:
        return f"xen+tcp://{self.address}/system"

    @property
    def by_ssh(self) -> str:
        return f"xen+ssh://root@{self.address}/system"

    def run(self, command: str) -> str:
        """What a command of the host's shell says; an error if it fails."""
        return _run(*self._ssh(command))

    def domains(self) -> list[str]:
        """The names of its guests, running or not."""
        said = self.run("virsh -q -c xen:///system list --all --name").split()
        return [one for one in said if one != "Domain-0"]

    def pings(self, address: str, card: str) -> bool:
        """Whether an IPv6 address answers what the host sends from one of its cards."""
        words = self._ssh(f"busybox ping6 -c 1 -W 5 -I {card} {address}")
        return subprocess.run(words, capture_output=True, timeout=BUILD_S).returncode == 0

    def _ssh(self, command: str) -> tuple[str, ...]:
        asks = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=60")
        options = [
            word for one in (*asks, "BatchMode=yes", "LogLevel=ERROR") for word in ("-o", one)
        ]
        return (
            "ssh",
            "-F",
            "none",
            "-i",
            str(VAR / "key"),
            *options,
            f"root@{self.address}",
            command,
        )


def missing() -> str:
    """What this machine lacks to build and run one, or nothing."""
    if os.geteuid() != 0:
        return "root (debootstrap)"
    if not Path("/dev/net/tun").exists():
        return "/dev/net/tun"
    lacking = [name for name in BINARIES if shutil.which(name) is None]
    return f"programs: {', '.join(lacking)}" if lacking else ""


@cache
def _meeting() -> Path:
    """Where the hosts of this test run meet: their wire's ends and what they share."""
    root = Path(tempfile.mkdtemp(prefix="sagastack-xen-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    (root / "shared").mkdir()
    return root


def xen_pair() -> tuple[XenHost, XenHost]:
    """The hosts of this test run, started at the first call and stopped when the process ends.

    Both come up at once: one alone would take as long.
    """
    first, end = _started(1), time.monotonic() + BOOT_S
    while not (_meeting() / "wire").exists():  # The other's end of the wire is tried once.
        if first.machine.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"QEMU made no wire: {(first.root / 'qemu.log').read_text()}")
        time.sleep(0.05)
    both = (first, _started(2))
    for host in both:
        _await_ready(host)
    return both


@cache
def _started(number: int) -> XenHost:
    image, meeting = built(), _meeting()
    root = meeting / str(number)
    root.mkdir()
    # What it writes goes into a file of its own: the image stays as it was built.
    disk = f"file={image / 'xen.img'},format=raw,if=virtio,snapshot=on"
    up, card = root / "up", f"sgx{os.getpid() % 100000}-{number}"
    up.write_text(UP.format(net=NET, number=number))
    up.chmod(0o755)
    ours = f"tap,id=ours,ifname={card},script={up},downscript=no"
    end, server = meeting / "wire", "server=on" if number == 1 else "server=off"
    wire = f"stream,id=wire,{server},addr.type=unix,addr.path={end}"
    mac = f"52:54:00:09:00:{number:02x}"
    share = f"local,path={meeting / 'shared'},mount_tag=shared,security_model=none"
    linux = f"{image / 'vmlinuz'} root=/dev/vda rw console=hvc0 init=/sbin/xen-init quiet"
    linux += f" net.ifnames=0 number={number} net={NET}"
    machine = subprocess.Popen(
        [
            *("setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-machine", "pc,accel=tcg"),
            *("-cpu", "Westmere", "-m", str(MACHINE_MIB), "-nodefaults", "-display", "none"),
            *("-no-reboot", "-serial", f"file:{root / 'serial'}", "-kernel", str(image / "xen")),
            *("-append", f"dom0_mem={DOM0_MIB}M,max:{DOM0_MIB}M smap=0 smep=0 console=com1"),
            *("-initrd", f"{linux},{image / 'initrd'}", "-drive", disk, "-netdev", ours),
            *("-device", "virtio-net-pci,netdev=ours", "-netdev", wire),
            *("-device", f"virtio-net-pci,netdev=wire,mac={mac}", "-virtfs", share),
        ],
        env={**os.environ, "TMPDIR": str(root)},
        stdin=subprocess.DEVNULL,
        stdout=(root / "qemu.log").open("wb"),
        stderr=subprocess.STDOUT,
    )
    atexit.register(_stop, machine)
    key, password = (image / "key").read_text(), (image / "password").read_text()
    return XenHost(number, meeting / "shared", key, password, root, machine)


def _await_ready(host: XenHost) -> None:
    end = time.monotonic() + BOOT_S
    while READY not in _said(host):
        if host.machine.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"Xen host {host.number} did not come up: {_said(host)[-2000:]}")
        time.sleep(0.5)


def _said(host: XenHost) -> str:
    serial = host.root / "serial"
    return serial.read_text(errors="replace") if serial.exists() else ""


def _stop(machine: subprocess.Popen[bytes]) -> None:
    machine.kill()
    machine.wait(timeout=60)


def built() -> Path:
    """The folder of the built image; one build at a time, and only a whole one is used."""
    VAR.mkdir(parents=True, exist_ok=True)
    stamp, recipe = VAR / "stamp", INIT + CONF + SSH + " ".join((*PACKAGES, *FRONTENDS))
    with (VAR / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == recipe:
            return VAR
        stamp.unlink(missing_ok=True)
        root = VAR / "root"
        whole = root / ".whole"
        if not whole.exists() or whole.read_text() != " ".join(PACKAGES):
            shutil.rmtree(root, ignore_errors=True)
            include = f"--include={','.join(PACKAGES)}"
            _run("debootstrap", "--variant=minbase", include, SUITE, str(root), _mirror())
            whole.write_text(" ".join(PACKAGES))
        _furnish(root)
        image = VAR / "xen.img"
        image.unlink(missing_ok=True)
        with image.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        _run("mke2fs", "-q", "-t", "ext4", "-d", str(root), str(image))
        stamp.write_text(recipe)
    return VAR


def _furnish(root: Path) -> None:
    """The host's own settings, and a guest of the host's kernel with the tiny guest's insides."""
    for name in UNWANTED:
        for one in root.glob(f"usr/lib/*/libvirt/connection-driver/libvirt_driver_{name}.so"):
            one.unlink()
    for rest in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(root / rest, ignore_errors=True)
    (root / "etc" / "libvirt" / "libvirtd.conf").write_text(CONF)
    init = root / "sbin" / "xen-init"
    init.write_text(INIT)
    init.chmod(0o755)
    boot, inside = root / "boot", root / "guest"
    inside.mkdir(exist_ok=True)
    kernel = max(boot.glob("vmlinuz-*"))
    shutil.copyfile(kernel, VAR / "vmlinuz")
    shutil.copyfile(kernel, root / KERNEL.lstrip("/"))
    shutil.copyfile(max(boot.glob("initrd.img-*")), VAR / "initrd")
    modules = (*initramfs.MODULES, *FRONTENDS)
    packed_guest = initramfs.write(root, root, RECIPE, modules=modules)
    (root / INITRD.lstrip("/")).write_bytes(packed_guest)
    (root / "etc" / "hosts").write_text("127.0.0.1 localhost\n")
    _let_in(root)
    with gzip.open(max(boot.glob("xen-*.gz"))) as packed:
        (VAR / "xen").write_bytes(packed.read())


def _let_in(root: Path) -> None:
    """By a key and by a password of this build's own."""
    (VAR / "password").write_text(password := token_urlsafe(12))
    hashed = _run("openssl", "passwd", "-6", password).strip()
    shadow = root / "etc" / "shadow"
    rest = [one for one in shadow.read_text().splitlines() if not one.startswith("root:")]
    shadow.write_text("\n".join([f"root:{hashed}:19000:0:99999:7:::", *rest]) + "\n")
    key, home = VAR / "key", root / "root" / ".ssh"
    for old in (key, key.with_suffix(".pub")):
        old.unlink(missing_ok=True)
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f", str(key))
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "authorized_keys").write_bytes(key.with_suffix(".pub").read_bytes())
    (root / "etc" / "ssh" / "sshd_config.d" / "tests.conf").write_text(SSH)


def _mirror() -> str:
    """Where apt on this machine gets this suite from."""
    said = _run("apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)")
    for line in said.splitlines():
        site, _, rest = line.partition(" ")
        if rest == f"{SUITE} main":
            return site
    raise RuntimeError(f"apt knows no {SUITE}: Xen's image cannot be built")


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=BUILD_S)
    if done.returncode:
        raise RuntimeError(f"{argv[0]}: {(done.stderr or done.stdout)[-1500:]}")
    return done.stdout
