"""The Debian packages that a full installation uses, each with what it is for.

This runs before there is a virtual environment, so it needs nothing but the standard library:

    python3 -m sagastack.hostsetup.packages [--tests] [--list]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Mapping

from sagastack.hostsetup.report import CommandFailed, Report, run

RUN: Mapping[str, str] = {
    "gcc": "builds libvirt's Python binding",
    "libc6-dev": "builds libvirt's Python binding",
    "pkg-config": "builds libvirt's Python binding",
    "python3-dev": "builds libvirt's Python binding",
    "libvirt-dev": "builds libvirt's Python binding",
    "python3-venv": "the virtual environment",
    "libvirt-daemon-system": "real hosts: the libvirt daemon",
    "libvirt-clients": "real hosts: virsh, to ask whether libvirt answers",
    "qemu-system-x86": "real hosts: runs the guests",
    "qemu-utils": "real hosts: qemu-img, which makes and inspects disks",
    "ovmf": "real hosts: the firmware of guests that start by UEFI",
    "swtpm": "real hosts: emulates the TPM of a guest that has one",
    "swtpm-tools": "real hosts: makes such a TPM",
    "iproute2": "real hosts: the bridge that guests are on",
    "nftables": "real hosts: what routers of guest networks let pass",
    "dnsmasq-base": "DHCP of guest networks; bare metal: DHCP and TFTP on provisioning networks",
    "ipxe": "bare metal: what machines without an iPXE of their own boot first",
    "syslinux": "the tiny guest: boot loader",
    "syslinux-common": "the tiny guest: boot loader",
    "mtools": "the tiny guest: fills its disk without mounting it",
    "dosfstools": "the tiny guest: its file system",
}
TESTS: Mapping[str, str] = {
    "libvirt-daemon-driver-lxc": "real containers, which tests run",
    "debootstrap": "makes the machine in which tests run Xen",
    "e2fsprogs": "the tiny container: its file system",
    "git": "the tidy tests list the tree",
    "cpio": "a second opinion on the guest's archive",
    "snmp": "net-snmp's reading of our MIB",
    "snmptrapd": "net-snmp's reading of our traps",
    "postgresql": "the log's tests against PostgreSQL",
    "util-linux": "setpriv and unshare, for servers that tests start",
    "mariadb-server-core": "a region of OpenStack in the longer tests: its database",
    "mariadb-client-core": "the same",
    "rabbitmq-server": "a region of OpenStack in the longer tests: its queue",
    "openjdk-17-jre-headless": "runs the Kafka broker that tests talk to",
    "maven": "fetches that broker",
    "podman": "runs the containers of compose.yaml",
    "crun": "runs the containers of compose.yaml",
    "catatonit": "runs the containers of compose.yaml: their `init`",
    "netavark": "runs the containers of compose.yaml: their network",
    "aardvark-dns": "runs the containers of compose.yaml: their names",
    "iptables": "runs the containers of compose.yaml: their ports",
    "docker-compose": "reads compose.yaml",
    "etcd-server": "keeps what a Kubernetes API server is told, to which the chart is given",
    "containerd": "runs the pods of the chart on a node of the tests",
    "runc": "runs the pods of the chart on a node of the tests",
    "containernetworking-plugins": "runs the pods of the chart on a node of the tests",
    "haproxy": "balances connections, in tests of routers",
    "busybox-static": "asks for addresses as a guest does, in tests of routers",
    "chromium": "opens the web console as people do",
    "mmdebstrap": "makes stand-ins of the images that compose.yaml names",
}

APT = (
    *("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "--no-install-recommends"),
    *("-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Use-Pty=0"),
)
UPDATE_TIMEOUT_S = 300.0
INSTALL_TIMEOUT_S = 1800.0

Say = Callable[[str], None]


async def ensure(wanted: Mapping[str, str], say: Say) -> Report:
    """Install what is missing if we are root; else name it, and the command that installs it."""
    try:
        missing = await absent(wanted)
    except CommandFailed as err:
        return Report(
            ok=False,
            missing=(f"cannot ask dpkg for installed packages: {err}",),
            remedy=f"on Debian, install: {' '.join(wanted)}",
        )
    if not missing:
        return Report(ok=True)
    command = f"apt-get install -y --no-install-recommends {' '.join(missing)}"
    reasons = tuple(f"{name} is not installed ({wanted[name]})" for name in missing)
    if os.geteuid() != 0:
        return Report(ok=False, missing=reasons, remedy=f"sudo {command}")
    say(f"installing {len(missing)} Debian packages: {' '.join(missing)}")
    trouble = await _install(missing, say)
    if trouble:
        return Report(ok=False, missing=(*reasons, trouble), remedy=command)
    return Report(ok=True, did=(f"installed {' '.join(missing)}",))


async def absent(wanted: Mapping[str, str]) -> list[str]:
    """Those of `wanted` that dpkg does not list as installed."""
    lines = (await run("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\\n")).splitlines()
    installed = {line.split()[1] for line in lines if line.startswith("ii")}
    return [name for name in wanted if name not in installed]


async def _install(names: list[str], say: Say) -> str:
    """Refresh the lists and install; gives what went wrong, or nothing.

    A line every few seconds shows that it is still at work.
    """
    async with asyncio.TaskGroup() as group:
        ticking = group.create_task(_tick(say))
        try:
            await run(*APT, "update", timeout_s=UPDATE_TIMEOUT_S)
            await run(*APT, "install", *names, timeout_s=INSTALL_TIMEOUT_S)
        except CommandFailed as err:
            return str(err)
        finally:
            ticking.cancel()
    return ""


async def _tick(say: Say, every_s: float = 10.0) -> None:
    """Say how long it has taken so far, until cancelled."""
    spent_s = 0.0
    never = asyncio.Event()
    while True:
        try:
            async with asyncio.timeout(every_s):
                await never.wait()
        except TimeoutError:
            spent_s += every_s
            say(f"... still installing Debian packages, {spent_s:.0f} s")


def main() -> int:
    """Always 0: without the packages there are still simulated hosts."""
    parser = argparse.ArgumentParser(prog="python3 -m sagastack.hostsetup.packages")
    parser.add_argument("--tests", action="store_true", help="also what the tests use")
    parser.add_argument("--list", action="store_true", help="only list the packages and reasons")
    options = parser.parse_args()
    wanted = {**RUN, **TESTS} if options.tests else RUN
    if options.list:
        for name, reason in wanted.items():
            print(f"{name:24}{reason}")
        return 0
    if shutil.which("dpkg-query") is None:
        print("This is not Debian: no packages are installed. Real hosts need QEMU and libvirt.")
        return 0
    report = asyncio.run(ensure(wanted, say=lambda line: print(line, flush=True)))
    if not report.ok:
        print("Some Debian packages are missing; what needs them is left out:", file=sys.stderr)
        for line in report.missing:
            print(f"  {line}", file=sys.stderr)
        print(f"To have everything:\n  {report.remedy}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
