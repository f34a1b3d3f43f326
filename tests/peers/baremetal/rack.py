"""Machines that boot for real: libvirt domains on a network of their own, each behind a real BMC.

The domains belong to a libvirt host of the tests' (`tests.peers.libvirt`). Their bridge is in that
host's network namespace; a veth pair brings it out to an interface here, where the controller
serves DHCP, TFTP and HTTP. The BMCs are VirtualBMC (IPMI) and sushy-tools (Redfish), from their
pinned packages, and know nothing but the domains.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.peers import libvirt as peer

HERE = Path(__file__).parent
VAR = HERE.parents[2] / "var"
WANTED = HERE / "requirements.txt"
FETCH_S, READY_S = 300, 30.0
USER, PASSWORD = "admin", "secret"
MEMORY_MIB = 512
RATED_MHZ = 2000  # What QEMU's SMBIOS says of any processor.
DISK_BYTES = 160 * 1024**2
DRIVES, DRIVE_BYTES = ("drive-1", "drive-2"), 64 * 1024**2
DOMAIN = """\
<domain type='qemu'>
  <name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>{memory}</memory><vcpu>1</vcpu>
  {told}<os><type arch='x86_64' machine='q35'>hvm</type>{firmware}<boot dev='hd'/>
    <bios useserial='yes' rebootTimeout='1000'/></os>
  <features><acpi/><apic/></features>
  <on_reboot>restart</on_reboot>
  <devices>
    <controller type='usb' model='none'/>
    <disk type='file' device='disk'><driver name='qemu' type='raw' cache='unsafe'/>
      <source file='{disk}'/><target dev='vda' bus='virtio'/><serial>{name}</serial></disk>
    <interface type='bridge'><source bridge='{bridge}'/><mac address='{mac}'/>
      <model type='virtio'/>{rom}</interface>
    <serial type='pty'><log file='{log}' append='on'/></serial>
  </devices>
</domain>
"""
OVMF = Path("/usr/share/OVMF")
UEFI = """\
<loader readonly='yes' type='pflash'>{ovmf}/OVMF_CODE_4M.fd</loader>
<nvram template='{ovmf}/OVMF_VARS_4M.fd'>{nvram}</nvram>"""
# Without the card's ROM, which is an iPXE that would boot before OVMF's own PXE and HTTP could.
NO_PXE = """\
<sysinfo type='fwcfg'><entry name='opt/org.tianocore/IPv4PXESupport'>n</entry>
  <entry name='opt/org.tianocore/IPv6PXESupport'>n</entry></sysinfo>"""
"""What OVMF is told so that it offers HTTP boot alone, as firmware does whose PXE is turned off."""


def missing() -> str:
    """What the machine lacks, or nothing."""
    if lacking := peer.missing():
        return lacking
    if not any(Path(folder, "dnsmasq").exists() for folder in ("/usr/sbin", "/usr/bin")):
        return "dnsmasq: apt-get install dnsmasq-base"
    return ""


def packages() -> Path:
    """A folder with VirtualBMC and sushy-tools, fetched once for a checkout."""
    digest = hashlib.sha256(WANTED.read_bytes()).hexdigest()[:12]
    home = VAR / "peers" / f"bmc-{digest}"
    if (home / "whole").exists():
        return home
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    wanted = ["--no-deps", "--require-hashes", "-r", str(WANTED), "--target", str(home)]
    subprocess.run([*pip, "--upgrade", *wanted], check=True, timeout=FETCH_S)
    (home / "whole").touch()
    return home


@dataclass(frozen=True, slots=True)
class Computer:
    """One domain: what a person would read off its case."""

    name: str
    uuid: str
    mac: str
    disk: Path
    log: Path
    uefi: bool

    def console(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


@dataclass
class Rack:
    """`interface` is ours on the provisioning network."""

    host: peer.LibvirtHost
    root: Path
    interface: str
    bridge: str
    computers: list[Computer] = field(default_factory=list)
    bmcs: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def add(self, name: str, firmware: str = "bios") -> Computer:
        """Another computer, off, with an empty disk. `firmware`: bios, uefi or uefi-http."""
        number = len(self.computers) + 1
        mac = f"52:54:00:bb:{os.getpid() % 256:02x}:{number:02x}"
        disk, log = self.root / f"{name}.raw", self.root / f"{name}.log"
        uefi = firmware != "bios"
        with disk.open("wb") as file:
            file.truncate(DISK_BYTES)
        made = Computer(name, str(uuid4()), mac, disk, log, uefi)
        nvram = self.root / f"{name}.nvram"
        xml = DOMAIN.format(
            name=name,
            uuid=made.uuid,
            memory=MEMORY_MIB,
            disk=disk,
            bridge=self.bridge,
            mac=mac,
            log=log,
            firmware=UEFI.format(ovmf=OVMF, nvram=nvram) if uefi else "",
            rom="<rom enabled='no'/>" if uefi else "",
            told=NO_PXE if firmware == "uefi-http" else "",
        )
        self.virsh("define", "/dev/stdin", given=xml)
        self.computers.append(made)
        return made

    def ipmi(self, computer: Computer) -> int:
        """VirtualBMC in front of it; the UDP port."""
        port = free_port(socket.SOCK_DGRAM)
        program = [sys.executable, "-m", "tests.peers.baremetal.ipmi_bmc"]
        told = (str(port), USER, PASSWORD, computer.name, self.host.uri)
        self._spawn([*program, *told], "ipmi")
        return port

    def redfish(self) -> int:
        """sushy-tools in front of all of them; the TCP port."""
        port = free_port(socket.SOCK_STREAM)
        config, auth = self.root / "sushy.conf", self.root / "sushy.htpasswd"
        code = "import bcrypt, sys; salt = bcrypt.gensalt(5); word = sys.argv[1].encode()"
        code += "; print(bcrypt.hashpw(word, salt).decode())"
        hashed = subprocess.run(
            [sys.executable, "-c", code, PASSWORD],
            env=self._environment(),
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout.strip()
        auth.write_text(f"{USER}:{hashed}\n")
        settings, volumes = self._controllers()
        config.write_text(
            settings
            + f"SUSHY_EMULATOR_LISTEN_IP = '127.0.0.1'\nSUSHY_EMULATOR_LISTEN_PORT = {port}\n"
            f"SUSHY_EMULATOR_LIBVIRT_URI = '{self.host.uri}'\n"
            f"SUSHY_EMULATOR_AUTH_FILE = '{auth}'\n"
            f"SUSHY_EMULATOR_STATE_DIR = '{self.root}'\n"
        )
        code = "from sushy_tools.emulator.main import main; main()"
        self._pool(volumes)
        self._spawn([sys.executable, "-c", code, "--config", str(config)], "redfish")
        until(lambda: _answers(port), f"sushy-tools did not answer; see {self.root}/redfish.log")
        return port

    def _controllers(self) -> tuple[str, Path]:
        """Each computer has a RAID controller with two drives and no volume yet, as sushy-tools
        is told it; volumes that are made are files of the libvirt pool `default`."""
        storage: dict[str, Any] = {}
        drives: dict[tuple[str, str], Any] = {}
        volumes: dict[tuple[str, str], Any] = {}
        for one in self.computers:
            storage[one.uuid] = [
                {
                    "Id": "1",
                    "Name": "Local Storage Controller",
                    "StorageControllers": [
                        {"MemberId": "0", "Name": "Contoso Integrated RAID", "SpeedGbps": 12}
                    ],
                    "Drives": list(DRIVES),
                }
            ]
            drives[one.uuid, "1"] = [
                {"Id": name, "Name": name, "CapacityBytes": DRIVE_BYTES, "Protocol": "SAS"}
                for name in DRIVES
            ]
            volumes[one.uuid, "1"] = []
        told = {"STORAGE": storage, "DRIVES": drives, "VOLUMES": volumes}
        text = "".join(f"SUSHY_EMULATOR_{name} = {value!r}\n" for name, value in told.items())
        return text, self.root / "volumes"

    def _pool(self, folder: Path) -> None:
        folder.mkdir()
        self.virsh("pool-create-as", "default", "dir", "--target", str(folder))

    def volumes(self) -> list[str]:
        """What sushy-tools made in its pool."""
        return self.virsh("vol-list", "default").split()[::2]

    def virsh(self, *arguments: str, given: str = "") -> str:
        done = subprocess.run(
            ["virsh", "-q", "-c", self.host.uri, *arguments],
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def runs(self, computer: Computer) -> bool:
        return self.virsh("domstate", computer.name).strip() == "running"

    def close(self) -> None:
        for bmc in self.bmcs:
            bmc.kill()
            bmc.wait(timeout=60)
        for computer in self.computers:
            if self.runs(computer):
                self.virsh("destroy", computer.name)
            self.virsh("undefine", computer.name, *(["--nvram"] if computer.uefi else []))
        if "default" in self.virsh("pool-list", "--name").split():
            self.virsh("pool-destroy", "default")
        subprocess.run(["ip", "link", "del", self.interface], check=False, timeout=60)
        enter = ["nsenter", "--net", "--target", str(self.host.pid)]
        subprocess.run([*enter, "ip", "link", "del", self.bridge], check=False, timeout=60)

    def _spawn(self, argv: list[str], name: str) -> None:
        with (self.root / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment(),
            )
        atexit.register(process.kill)
        self.bmcs.append(process)

    def _environment(self) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": f"{packages()}:{HERE.parents[2]}"}


@contextmanager
def rack(root: Path) -> Iterator[Rack]:
    """A provisioning network and no computer yet; all of it is gone afterwards."""
    host = peer.pair().first
    number = os.getpid() % 60000
    ours, theirs, bridge = f"sgp{number}", f"sgq{number}", f"sgb{number}"
    net = f"10.{150 + number % 40}.{number // 40 % 250}"
    ip(f"link add {ours} type veth peer name {theirs} netns {host.pid}")
    made = Rack(host, root, ours, bridge)
    try:
        ip(f"address add {net}.1/24 dev {ours}")
        ip(f"-6 address add fd00:5a6a:{number:x}::1/64 dev {ours} nodad")
        ip(f"link set {ours} up")
        for line in (
            f"link add {bridge} type bridge",
            f"link set {theirs} master {bridge} up",
            f"link set {bridge} up",
        ):
            ip(line, host)
        yield made
    finally:
        made.close()


def ip(arguments: str, host: peer.LibvirtHost | None = None) -> None:
    enter = ["nsenter", "--net", "--target", str(host.pid)] if host is not None else []
    subprocess.run([*enter, "ip", *arguments.split()], check=True, timeout=60)


def until(holds: Callable[[], bool], complaint: str, timeout_s: float = READY_S) -> None:
    end = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(complaint)
        time.sleep(0.1)


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
