"""A real Xen host: Debian's Xen and libvirt in a machine that QEMU emulates, gone when we are.

The image is made once, below the repository's own `var`, by debootstrap from where apt gets its
packages. Xen needs no virtualization to run paravirtual guests, so that plain emulation is enough.
Only libvirt's TCP port and SSH are forwarded, to loopback. Who may log in is a key that is made
with the image.
"""

from __future__ import annotations

import atexit
import fcntl
import gzip
import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

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
BUILD_S, BOOT_S = 900.0, 300.0
KERNEL, INITRD = "/guest/vmlinuz", "/guest/initramfs.gz"
READY = "XEN-HOST-READY"
# What a guest's kernel needs beside what it finds in a machine of QEMU's.
FRONTENDS = ("xen_blkfront", "xen_netfront")
BRIDGE = "br0"
BINARIES = ("debootstrap", "qemu-system-x86_64", "mke2fs", "virsh", "ssh-keygen")
CONF = """\
listen_tls = 0
listen_tcp = 1
listen_addr = "0.0.0.0"
auth_tcp = "none"
auth_unix_rw = "none"
unix_sock_group = "root"
"""
SSH = "UsePAM no\nPermitRootLogin prohibit-password\nUseDNS no\n"
# Drivers that would look for a hypervisor of their own in a machine this small.
UNWANTED = ("qemu", "lxc", "vbox", "interface", "nwfilter", "storage")
INIT = f"""\
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/xen-4.17/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
mkdir -p /dev/pts; mount -t devpts devpts /dev/pts; mount -t tmpfs run /run
mount -o remount,rw /; mount -t xenfs xenfs /proc/xen
mkdir -p /run/lock /run/xen /run/xenstored /run/libvirt /var/lib/xenstored /var/log/libvirt
for one in xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xen-blkback xen-netback loop virtio_net \
  bridge
do modprobe $one; done
ip link set lo up
card=$(ls /sys/class/net | grep -v lo | head -n 1)
ip link set $card up; ip addr add 10.0.2.15/24 dev $card; ip route add default via 10.0.2.2
ip link add {BRIDGE} type bridge; ip link set {BRIDGE} up
mkdir -p /run/sshd; /usr/sbin/sshd
hostname xenhost
xenstored --pid-file /run/xen/xenstored.pid
xen-init-dom0
xenconsoled --pid-file=/run/xen/xenconsoled.pid
libvirtd --listen -d -p /run/libvirtd.pid
virsh -c xen:///system version && echo {READY} >/dev/console
while :; do sleep 1000; done
"""


@dataclass(frozen=True, slots=True)
class XenHost:
    port: int
    ssh_port: int
    key: str
    root: Path
    machine: subprocess.Popen[bytes]

    @property
    def uri(self) -> str:
        return f"xen+tcp://127.0.0.1:{self.port}/system"

    @property
    def by_ssh(self) -> str:
        return f"xen+ssh://root@127.0.0.1:{self.ssh_port}/system"


def missing() -> str:
    """What this machine lacks to build and run one, or nothing."""
    if os.geteuid() != 0:
        return "root (debootstrap)"
    lacking = [name for name in BINARIES if shutil.which(name) is None]
    return f"programs: {', '.join(lacking)}" if lacking else ""


@cache
def xen_host() -> XenHost:
    """The host of this test run, started at the first call and stopped when the process ends."""
    image = _built()
    root = Path(tempfile.mkdtemp(prefix="sagastack-xen-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    port, ssh_port = _free_ports()
    # What it writes goes into a file of its own: the image stays as it was built.
    disk = f"file={image / 'xen.img'},format=raw,if=virtio,snapshot=on"
    doors = ((port, 16509), (ssh_port, 22))
    forwards = (f"hostfwd=tcp:127.0.0.1:{here}-10.0.2.15:{there}" for here, there in doors)
    network = f"user,id=net,restrict=on,{','.join(forwards)}"
    linux = f"{image / 'vmlinuz'} root=/dev/vda rw console=hvc0 init=/sbin/xen-init quiet"
    machine = subprocess.Popen(
        [
            *("setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-machine", "pc,accel=tcg"),
            *("-cpu", "Westmere", "-m", str(MACHINE_MIB), "-nodefaults", "-display", "none"),
            *("-no-reboot", "-serial", f"file:{root / 'serial'}", "-kernel", str(image / "xen")),
            *("-append", f"dom0_mem={DOM0_MIB}M,max:{DOM0_MIB}M smap=0 smep=0 console=com1"),
            *("-initrd", f"{linux},{image / 'initrd'}", "-drive", disk, "-netdev", network),
            *("-device", "virtio-net-pci,netdev=net"),
        ],
        env={**os.environ, "TMPDIR": str(root)},
        stdin=subprocess.DEVNULL,
        stdout=(root / "qemu.log").open("wb"),
        stderr=subprocess.STDOUT,
    )
    atexit.register(_stop, machine)
    host = XenHost(port, ssh_port, (image / "key").read_text(), root, machine)
    end = time.monotonic() + BOOT_S
    while READY not in _said(host):
        if machine.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the Xen host did not come up: {_said(host)[-2000:]}")
        time.sleep(0.5)
    return host


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _said(host: XenHost) -> str:
    serial = host.root / "serial"
    return serial.read_text(errors="replace") if serial.exists() else ""


def _stop(machine: subprocess.Popen[bytes]) -> None:
    machine.kill()
    machine.wait(timeout=20)


def _built() -> Path:
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
    _let_in(root)
    with gzip.open(max(boot.glob("xen-*.gz"))) as packed:
        (VAR / "xen").write_bytes(packed.read())


def _let_in(root: Path) -> None:
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
