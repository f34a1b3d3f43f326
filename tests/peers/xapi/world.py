"""A pool with its hosts, ready to be asked: who is in it, where its bytes are, and its servers."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.peers.certificate import Certificate, certificate, new
from tests.peers.xapi import disks, networks, rules
from tests.peers.xapi.behaviour import Behaviour
from tests.peers.xapi.calls import Context
from tests.peers.xapi.model import BACK, CLASSES, NULL
from tests.peers.xapi.store import Store, XapiError

if TYPE_CHECKING:
    from tests.peers.xapi.server import Server

GIB = 1024**3
OTHER_MEDIA = "Other install media"
# Each pool has a part of the loopback network of its own.
POOLS = count(1)
WORLDS: list[World] = []


@dataclass(frozen=True, slots=True)
class HostPlan:
    name: str
    memory_gib: int = 16
    cpus: int = 8


PLAN = (HostPlan("alpha"), HostPlan("beta"))


class World:
    """All that a pool is. `clock` is the time of its hosts."""

    def __init__(self, folder: Path, plan: Sequence[HostPlan] = PLAN) -> None:
        self.folder, self.behaviour, self.store = folder, Behaviour(), Store()
        self.users = {"root": "secret"}
        self.seen: dict[str, float] = {}
        self.jobs: dict[str, asyncio.Task[None]] = {}
        self.memory: dict[str, bytes] = {}
        self.started: dict[str, float] = {}
        self.tickets: dict[str, tuple[str, str]] = {}
        self.dead_servers: set[str] = set()
        self.share_bytes = 8 * GIB
        self.lose_events_before = 0
        self.port = 0
        self.calls: dict[str, int] = {}
        self.server: Server | None = None
        self._group: asyncio.TaskGroup | None = None
        number = next(POOLS)
        self._net = f"127.{1 + (number * 7) % 200}.{1 + number % 250}"
        self._certificates: dict[str, Certificate] = {}
        self.hosts = [self._host(one, at) for at, one in enumerate(plan, 1)]
        self.pool = self.store.add("pool", master=self.hosts[0], name_label="pool")
        self._network()
        self._templates()

    @staticmethod
    def clock() -> float:
        return time.time()

    # ---- what there is at the beginning --------------------------------------------------

    def _host(self, plan: HostPlan, number: int) -> str:
        store, total = self.store, plan.memory_gib * GIB
        metrics = store.add("host_metrics", memory_total=total, memory_free=total, live=True)
        host = store.add(
            "host", name_label=plan.name, hostname=plan.name, address=f"{self._net}.{number}",
            enabled=True, metrics=metrics, memory_overhead=512 * 1024**2,
            API_version_major=2, API_version_minor=21,
            capabilities=["xen-3.0-x86_64", "hvm-3.0-x86_64"],
            software_version={
                "product_brand": "XCP-ng", "product_version": "8.3.0", "xapi": "24.19",
                "xen": "4.17.5",
            },
            cpu_info={
                "cpu_count": str(plan.cpus), "socket_count": "1", "vendor": "GenuineIntel",
                "speed": "2394.374", "modelname": "Intel(R) Xeon(R)",
            },
            other_config={"boot_time": f"{self.clock() - 3600:.0f}.", "agent_start_time": "0."},
        )  # fmt: skip
        dom0 = store.add(
            "VM", name_label=f"Control domain on host: {plan.name}", is_control_domain=True,
            power_state="Running", resident_on=host, memory_dynamic_max=GIB,
            memory_static_max=GIB, domid=0,
        )  # fmt: skip
        store.put(host, control_domain=dom0)
        self._certificates[host] = certificate(store.get("host", host)["address"])
        return host

    def _network(self) -> None:
        """One card for the hosts' own traffic and guests', two more under a bond."""
        store = self.store
        self.network = networks.add_network(
            store, "Pool-wide network associated with eth0", bridge="xenbr0"
        )
        bonded = networks.add_network(store, "guests", bridge="xapi1")
        spare = [networks.add_network(store, f"eth{n}", bridge=f"xenbr{n}") for n in (1, 2)]
        for host in self.hosts:
            networks.add_card(store, host, self.network, "eth0", management=True)
            cards = [
                networks.add_card(store, host, network, f"eth{n}", management=False)
                for n, network in enumerate(spare, 1)
            ]
            networks.add_bond(store, host, bonded, cards)

    def _templates(self) -> None:
        self.store.add(
            "VM", name_label=OTHER_MEDIA, is_a_template=True, is_default_template=True,
            power_state="Halted", domid=-1, VCPUs_max=1, VCPUs_at_startup=1,
            memory_static_min=16 * 1024**2, memory_static_max=256 * 1024**2,
            memory_dynamic_min=256 * 1024**2, memory_dynamic_max=256 * 1024**2,
            HVM_boot_policy="BIOS order", HVM_boot_params={"order": "dc"}, domain_type="hvm",
            platform={"nx": "true", "acpi": "1", "apic": "true", "pae": "true", "viridian": "true"},
            actions_after_crash="restart", other_config={"install-methods": "cdrom"},
        )  # fmt: skip

    def add_sr(
        self, name: str, *, kind: str = "nfs", gib: int = 16, content: str = "user",
        hosts: Sequence[str] | None = None,
    ) -> str:  # fmt: skip
        """A repository that these hosts are plugged into, by default all."""
        shared = hosts is None
        sr = self.store.add(
            "SR", name_label=name, type=kind, content_type=content, shared=shared,
            physical_size=gib * GIB,
        )  # fmt: skip
        config = {"server": "store.test", "serverpath": f"/{name}"}
        for host in self.hosts if hosts is None else hosts:
            self.store.add("PBD", host=host, SR=sr, device_config=config, currently_attached=True)
        return sr

    # ---- what is shown -------------------------------------------------------------------

    def record(self, cls: str, ref: str) -> dict[str, Any]:
        return self._computed(cls, ref, self.store.shown(cls, ref))

    def records(self, cls: str) -> dict[str, Any]:
        """All records of a class, with one look at those that refer to them."""
        store = self.store
        back: dict[str, dict[str, list[str]]] = {}
        for (mine, field), (other, name) in BACK.items():
            if mine == cls:
                held: dict[str, list[str]] = {}
                for ref in store.refs(other):
                    held.setdefault(store.get(other, ref)[name], []).append(ref)
                back[field] = held
        return {
            ref: self._computed(
                cls, ref, store.get(cls, ref) | {f: held.get(ref, []) for f, held in back.items()}
            )
            for ref in store.refs(cls)
        }

    def _computed(self, cls: str, ref: str, record: dict[str, Any]) -> dict[str, Any]:
        if cls == "VDI" and (file := self.file(ref)).exists():
            record["physical_utilisation"] = disks.used_bytes(file)
        elif cls == "SR":
            vdis = [self.store.get("VDI", vdi) for vdi in self.store.refs("VDI", SR=ref)]
            record["virtual_allocation"] = sum(one["virtual_size"] for one in vdis)
            files = [self.file(vdi) for vdi in self.store.refs("VDI", SR=ref)]
            record["physical_utilisation"] = sum(
                disks.used_bytes(file) for file in files if file.exists()
            )
        elif cls == "VM":
            record["allowed_operations"] = rules.allowed(Context(self, self.master), ref)
        elif cls == "host_metrics":
            host = self.store.refs("host", metrics=ref)[0]
            vms = [self.store.get("VM", vm) for vm in self.store.refs("VM", resident_on=host)]
            used = sum(int(vm["memory_dynamic_max"]) for vm in vms)
            record["memory_free"] = int(record["memory_total"]) - used
        return record

    @property
    def master(self) -> str:
        return str(self.store.get("pool", self.pool)["master"])

    def address(self, host: str) -> str:
        return str(self.store.get("host", host)["address"])

    def url(self, host: str) -> str:
        return f"https://{self.address(host)}:{self.port}"

    def certificate(self, host: str) -> str:
        return self._certificates[host].pem

    def new_certificate(self, host: str) -> None:
        self._certificates[host] = new(self.address(host))

    def pin(self, host: str) -> str:
        return self._certificates[host].pin

    def server_tls(self, host: str) -> ssl.SSLContext:
        return self._certificates[host].server()

    def file(self, vdi: str) -> Path:
        record = self.store.get("VDI", vdi)
        sr = self.store.get("SR", record["SR"])
        return self.folder / str(sr["uuid"]) / f"{record['uuid']}.raw"

    def cut(self, host: str = "") -> None:
        """Reset every line, or those of a host, while all goes on."""
        assert self.server is not None, "the pool does not run"
        self.server.cut(host)

    # ---- what goes on --------------------------------------------------------------------

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        assert self._group is not None, "the pool does not run"
        return self._group.create_task(work, name=name)

    def left_over(self) -> dict[str, list[str]]:
        """All that the pool did not have at its beginning, but for repositories and networks."""
        store = self.store
        found: dict[str, list[str]] = {}
        for cls in ("VM", "VBD", "VIF", "VDI", "task", "console", "VM_metrics"):
            refs = store.refs(cls)
            if cls == "VM":
                refs = [
                    one for one in refs
                    if not store.get(cls, one)["is_control_domain"]
                    and not store.get(cls, one)["is_default_template"]
                ]  # fmt: skip
            if cls == "task":  # one that has ended is XAPI's own to forget
                refs = [one for one in refs if store.get(cls, one)["status"] == "pending"]
            if refs:
                found[cls] = [_name(store.get(cls, one)) for one in refs]
        return found

    @asynccontextmanager
    async def running(self) -> AsyncIterator[World]:
        async with asyncio.TaskGroup() as group:
            self._group = group
            WORLDS.append(self)
            try:
                yield self
            finally:
                WORLDS.remove(self)
                for job in list(self.jobs.values()):
                    job.cancel()
                group.create_task(_cancel_all(group), name="end")
                self._group = None


async def _cancel_all(group: asyncio.TaskGroup) -> None:
    """What still boots need not boot."""
    for task in list(getattr(group, "_tasks", ())):
        if task is not asyncio.current_task():
            task.cancel()


def _name(record: dict[str, Any]) -> str:
    return str(record.get("name_label") or record["uuid"])


def world_of_ticket(ticket: str) -> World:
    for world in WORLDS:
        if ticket in world.tickets:
            return world
    raise XapiError("VM_MIGRATE_FAILED", "no such ticket")


@asynccontextmanager
async def serving(
    folder: Path, plan: Sequence[HostPlan] = PLAN, *, port: int = 0
) -> AsyncIterator[World]:
    """A pool whose hosts all answer, each at its own address and all at one port."""
    from tests.peers.xapi.server import Server

    world = World(folder, plan)
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    server = Server(world)
    async with world.running():
        await server.start(port)
        try:
            yield world
        finally:
            await server.stop()
            await asyncio.to_thread(shutil.rmtree, folder, True)


__all__ = ["CLASSES", "NULL", "OTHER_MEDIA", "PLAN", "HostPlan", "World", "serving"]
