"""What each kind of host brings into the zone: how it is added, and what is left behind on it.

The peers are those of the drivers' own tests, and none of them knows that there are others.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drivers.sim import SimWorld
from tests.drivers import harness_proxmox
from tests.drivers.ovm import EXPORTS, left
from tests.drivers.vcenter_hand import Hand
from tests.peers import vcenter
from tests.peers.hyperv import HypervPeer
from tests.peers.hyperv.peer import PASSWORD, USER
from tests.real.test_extensions_real import cluster as proxmox_cluster
from tests.real.test_openstack_real import Witness, in_a_thread
from tests.real.test_oraclevm_real import agents
from tests.real.test_xapi_real import pool as xen_pool

ROOT = Path(__file__).parents[2]


@dataclass
class Kind:
    """`hosts` is what `addHost` is told beside where, for one address after the other.

    `left` tells what its peer has of guests and their disks; it is given the template, whose image
    stays. Without an `image` its template is what all have that only need some bytes. `whole_pool`:
    its disks are those of its only host, which one guest takes whole.
    """

    name: str
    hosts: list[dict[str, str]]
    pool: str
    left: Callable[[str], list[str]]
    settings: dict[str, str] = field(default_factory=dict)
    image: Path | None = None
    each: int = 3
    whole_pool: bool = False
    template: str = ""


def protocols(stack: ExitStack, folder: Path) -> list[Kind]:
    """The kinds whose hosts are servers of published protocols."""
    return [
        _vmware(stack),
        _xenserver(stack, folder / "xen"),
        _oracle(stack, folder / "oracle"),
        _windows(stack, folder / "windows"),
        _openstack(stack, folder / "region"),
        _proxmox(stack, folder / "proxmox"),
    ]


def _vmware(stack: ExitStack) -> Kind:
    esx = stack.enter_context(vcenter.running())
    hand = Hand(esx)
    kept = esx.file(f"[{vcenter.STORES[0]}] sagastack")

    def disks() -> list[str]:
        files = [one for one in kept.rglob("*") if one.is_file()]
        return [str(one) for one in files if one.parent.name != "images"]

    return Kind(
        "VMware",
        [{"url": esx.url(), "username": vcenter.USER, "password": vcenter.PASSWORD}],
        f"vmfs://{vcenter.DATACENTER}/{vcenter.STORES[0]}",
        lambda _: [*hand.machines(), *disks()],
    )


def _xenserver(stack: ExitStack, folder: Path) -> Kind:
    xen = stack.enter_context(xen_pool(folder))
    who = {name: xen.told[name] for name in ("url", "username", "password")}
    return Kind(
        "XenServer",
        [who],
        "presetup://localhost/one",
        lambda template: [one for some in xen.left(template).values() for one in some],
    )


def _oracle(stack: ExitStack, folder: Path) -> Kind:
    folder.mkdir()
    oracle = stack.enter_context(agents(folder, "Ovm3"))
    owners = [oracle.address(number) for number in range(len(oracle.agents))]
    return Kind(
        "Ovm3",
        [{"url": one.url, "username": one.username, "password": one.password} for one in owners],
        f"nfs://{EXPORTS[0].replace(':', '')}",
        lambda _: left(oracle),
        {"SAGASTACK_DRIVER_ORACLEVM": f"mounts={oracle.mounts}"},
    )


def _windows(stack: ExitStack, folder: Path) -> Kind:
    folder.mkdir()
    net = f"127.11.{os.getpid() % 250 + 1}"
    windows = HypervPeer(folder, (f"{net}.1", f"{net}.2"))
    windows.world.share("pool")
    windows.world.cluster = "cloud"
    windows.start()
    stack.callback(windows.stop)
    kept = ("disks", "snapshots", "machines", "notes", "incoming")

    def disks() -> list[str]:
        share = windows.world.folder / "shares" / "pool"
        return [str(one) for name in kept for one in (share / name).glob("*")]

    node = windows.url(next(iter(windows.world.hosts)))
    return Kind(
        "Hyperv",
        [{"url": node, "username": USER, "password": PASSWORD}],
        "smb://store/pool",
        lambda _: [*(vm.name for vm in windows.world.vms()), *disks()],
    )


def _proxmox(stack: ExitStack, folder: Path) -> Kind:
    """By an extension: a kind that is not ours."""
    folder.mkdir()
    there = stack.enter_context(proxmox_cluster(folder / "there"))
    return Kind(
        "External",
        [{name: there.told[name] for name in ("url", "username", "password")}],
        "proxmox://there/one",
        lambda _: [one for some in there.ask("left").values() for one in some],
        {"SAGASTACK_DRIVER_EXTENSION": f"folder={harness_proxmox.installed(folder)}"},
    )


def _openstack(stack: ExitStack, folder: Path) -> Kind:
    keystone = stack.enter_context(in_a_thread(folder))
    witness = Witness(keystone, "sagastack", "correct horse")
    witness.sign_in()
    region = keystone.replace("http://", "openstack+http://")
    who = {
        "url": f"{region}?region=RegionOne&project=cloud&network=public",
        "username": f"{witness.user}@Default",
        "password": witness.password,
    }
    return Kind(
        "OpenStack",
        [who],
        "cinder://fast",
        lambda _: [one for some in witness.left().values() for one in some],
        {"SAGASTACK_DRIVER_OPENSTACK": "poll_s=0.05"},
    )


@dataclass
class Simulated:
    """A data centre in a process of its own, which can be killed and comes back as it was."""

    state: Path
    port: int = 0
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        words = ("-m", "sagastack.cli", "simulate", "--listen", f"127.0.0.1:{self.port}")
        self.process = subprocess.Popen(
            [sys.executable, *words, "--state", str(self.state)],
            stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env=os.environ | {"SAGASTACK_SIMULATOR": "delay_s.start_guest=0.3", "PYTHONPATH": "."},
        )  # fmt: skip
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        found = re.search(r":(\d+)\s*$", said)
        assert found, f"the simulator did not start: {said}"
        self.port = int(found[1])

    def kind(self) -> Kind:
        reached = {"SAGASTACK_SIMULATOR": f"server=127.0.0.1:{self.port}"}
        rack: dict[str, str] = {"url": "sim://rack"}
        return Kind("Simulator", [rack], "sim://pool", lambda _: self.left(), reached)

    def left(self) -> list[str]:
        """What its guests have there still, by a copy of its journal."""
        copy = self.state.with_suffix(".copy")
        shutil.copy(self.state, copy)
        world = SimWorld.open(copy)
        try:
            residue = world.residue()
            found: tuple[Any, ...] = (*residue.guests, *residue.disks)
            return [f"{one}" for one in found]
        finally:
            world.close()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(60)
            self.process = None
