"""A libvirt that answers at `qemu:///system`: the one that runs, or else one that we start.

A running daemon is used as it is; where systemd rules, systemd is asked to start it. Elsewhere we
start it ourselves as root. Its own settings are given on its command line, but the settings of its
QEMU driver have one fixed place, /etc/libvirt/qemu.conf, which belongs to the administrator. So the
daemon gets a mount namespace in which our file lies over that one: /etc stays as it is, and the
sockets, being outside of it, are where every client looks. Guests outlive the controller, hence so
does the daemon; it ends like any daemon, by its process id.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from sagastack.hostsetup.report import CommandFailed, Report, run

URI = "qemu:///system"
FACTS = {"uri": URI}
READY_S = 30.0
ASK_S = 10.0
POLL_S = 0.1
QEMU_CONF_PLACE = "/etc/libvirt/qemu.conf"
NEEDED = {
    "libvirtd": "libvirt-daemon-system",
    "virsh": "libvirt-clients",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
}
QEMU_CONF = """\
# Guests run as root, so that their disks may lie in any folder, whoever owns it.
user = "root"
group = "root"
remember_owner = 0
# These need a service manager or a security module, and the daemon runs without either.
security_driver = "none"
cgroup_controllers = []
namespaces = []
# Serial consoles go straight to their files: no second daemon that has to be alive for it.
stdio_handler = "file"
max_core = 0
vnc_listen = "127.0.0.1"
"""
LIBVIRTD_CONF = """\
listen_tls = 0
listen_tcp = 0
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_group = "root"
unix_sock_ro_perms = "0700"
unix_sock_rw_perms = "0700"
log_outputs = "3:file:{log}"
"""
START = 'mount --bind "$1" "$2"; exec libvirtd --daemon --config "$3"'


async def ensure(folder: Path) -> Report:
    """A usable libvirt, with our files in `folder` if we have to start it; or why there is none."""
    trouble = await _asked()
    if not trouble:
        return Report(ok=True, facts=FACTS)
    lacking = [package for program, package in NEEDED.items() if _where(program) is None]
    if lacking:
        return Report(
            ok=False,
            missing=(f"no libvirt on this machine: {', '.join(lacking)} not installed",),
            remedy=f"as root: apt-get install --no-install-recommends {' '.join(lacking)}",
        )
    if os.geteuid() != 0:
        return Report(
            ok=False,
            missing=(f"{URI} does not answer to this user: {trouble}",),
            remedy="as root: start libvirtd, and add this user to the group libvirt",
        )
    return await _started(folder)


async def _started(folder: Path) -> Report:
    """Start the daemon by the way that this machine has, and wait until it answers."""
    command, remedy = _way(folder)
    try:
        await run(*command, timeout_s=READY_S)
    except CommandFailed as err:
        if await _asked():  # Else somebody started one meanwhile, which serves as well.
            return Report(ok=False, missing=(f"libvirtd did not start: {err}",), remedy=remedy)
    trouble = ""
    for _ in range(round(READY_S / POLL_S)):
        trouble = await _asked()
        if not trouble:
            return Report(ok=True, did=("started libvirtd",), facts=FACTS)
        await asyncio.sleep(POLL_S)
    why = f"libvirtd started but does not answer: {trouble}"
    return Report(ok=False, missing=(why,), remedy=remedy)


def _way(folder: Path) -> tuple[tuple[str, ...], str]:
    """The command that starts the daemon, its settings written, and where to look if it fails."""
    if Path("/run/systemd/system").is_dir():
        return ("systemctl", "start", "libvirtd"), "see: systemctl status libvirtd"
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "libvirtd.log"
    ours, daemon = folder / "qemu.conf", folder / "libvirtd.conf"
    ours.write_text(QEMU_CONF)
    daemon.write_text(LIBVIRTD_CONF.format(log=log))
    # Slave: file systems that are mounted later still appear to the daemon and to its guests.
    space = ("unshare", "--mount", "--propagation", "slave")
    shell = ("sh", "-ec", START, "sh", str(ours), QEMU_CONF_PLACE, str(daemon))
    return (*space, *shell), f"see {log}"


async def _asked() -> str:
    """Nothing if libvirt answers with a working QEMU driver, else what stands in the way."""
    try:
        await run("virsh", "-q", "-c", URI, "version", timeout_s=ASK_S)
    except CommandFailed as err:
        return str(err)
    return ""


def _where(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
