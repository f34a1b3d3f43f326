"""A host of Oracle VM 2.x, through the modules that Apache CloudStack puts beside its agent.

What those modules lack (removing a definition, naming a disk) is done in the repository itself. A
guest's definition lies beside its root disk; a link of the guest's name leads there.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any
from uuid import UUID

from drivers.contract.compute import (
    Adoption,
    Console,
    DiskAttachment,
    GuestSpec,
    HostFacts,
    HostStats,
    NicSpec,
    Power,
)
from drivers.contract.errors import Refused, Unavailable
from drivers.oraclevm.address import Place
from drivers.oraclevm.client import ASK_S, Agent
from drivers.oraclevm.dialect import Dialect, Seen
from drivers.oraclevm.errors import is_gone, tolerating
from drivers.oraclevm.repo import OVM2, Repo, locate, repo_id, split
from drivers.oraclevm.translate2 import (
    decode,
    encode,
    guest,
    name_of,
    repository_of,
    seen,
    whose,
)

AT_ONCE = 8
START_S = 600.0
MOVE_S = 3600.0
NFS = "OVSSPNFS"
KB = 1000
LEFT = ("vm.cfg", "vmName")
CANNOT = "an agent of Oracle VM 2.x has no method for it"


class Ovm2:
    """The agent of one host."""

    layout = OVM2
    copies_on_host = False

    def __init__(self, agent: Agent, mounts: dict[str, str]) -> None:
        self._agent, self._mounts = agent, mounts
        self._points: dict[str, str] = {}
        self._exports: dict[str, str] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._spent: dict[str, tuple[float, int]] = {}
        self._ip = ""

    @property
    def place(self) -> Place:
        return self._agent.place

    async def _ask(self, method: str, *params: Any) -> Any:
        return await self._agent.ask("OvmDispatch", method, *params)

    async def _change(self, method: str, *params: Any, within_s: float = START_S) -> Any:
        return await self._agent.change("OvmDispatch", method, *params, within_s=within_s)

    async def facts(self) -> HostFacts:
        told = decode(await self._ask("OvmHost.getDetails"))
        return HostFacts(
            hardware_id=f"ovm:{told['name']}:{told['masterIp']}",
            name=told["name"],
            hypervisor_version=told["hypervisorVersion"],
            cpu_count=int(told["cpuNum"]),
            cpu_mhz=int(told["cpuSpeed"]),
            memory_bytes=int(told["totalMemory"]),
            accelerated=True,
            capabilities=("hvm",),
            detail=f"Oracle VM Server 2, agent {told['agentVersion']}",
        )

    async def stats(self) -> HostStats:
        told = decode(await self._ask("OvmHost.getPerformanceStats", await self._bridge("")))
        return HostStats(
            cpu_used_percent=max(0.0, min(100.0, float(told["cpuUtil"]))),
            memory_used_bytes=int(told["totalMemory"]) - int(told["freeMemory"]),
            network_read_bytes=int(told["rxBytes"]) * KB,
            network_write_bytes=int(told["txBytes"]) * KB,
            uptime_s=0,
        )

    async def own_ip(self) -> str:
        if not self._ip:
            self._ip = str(decode(await self._ask("OvmHost.getDetails"))["masterIp"])
        return self._ip

    async def members(self) -> tuple[str, ...]:
        """These modules know of no server pool."""
        return ()

    async def mount(self, repo: Repo) -> None:
        await self._mount(repo.export)

    async def _mount(self, export: str) -> str:
        """Where the host has the repository, which is brought there if need be."""
        if (point := self._points.get(export)) is not None:
            return point
        pool_id = str(repo_id(export))
        async with self._turn(export):
            if (found := await self._pool(pool_id)) is None:
                asked = encode({"uuid": pool_id, "type": NFS, "path": export})
                await self._change("OvmStoragePool.create", asked)
                found = await self._pool(pool_id)
            if found is None:
                raise Unavailable(f"{self.place.host} made the repository {export} and has it not")
            await self._register()
            self._points[export] = str(found["mountPoint"])
            self._exports[repo_id(export).hex] = export
        return self._points[export]

    async def _pool(self, pool_id: str) -> dict[str, Any] | None:
        try:
            return dict(decode(await self._ask("OvmStoragePool.getDetailsByUuid", pool_id)))
        except Refused as error:
            if "No SR matching" in str(error):
                return None
            raise

    async def _register(self) -> None:
        """A host that is no manager's is its own: the agent starts no guest before."""
        ip, (username, password) = await self.own_ip(), self._agent.credentials
        rest = (ip, username, password, self.place.port, not self.place.plain)
        for role in ("OvmHost.registerAsPrimary", "OvmHost.registerAsVmServer"):
            with tolerating(lambda error: "already registered" in str(error)):
                await self._change(role, *rest)

    async def seen(self) -> list[Seen]:
        """One call for all guests, and one for each, a few at a time."""
        listed = dict(decode(await self._ask("OvmHost.getAllVms")))
        room = asyncio.Semaphore(AT_ONCE)

        async def look(name: str, status: str) -> Seen:
            async with room:
                return await self._look(name, status)

        async with asyncio.TaskGroup() as group:
            asked = [
                group.create_task(look(*one), name="details") for one in sorted(listed.items())
            ]
        return [one.result() for one in asked]

    async def _look(self, name: str, status: str) -> Seen:
        """A guest of another's making may lie where these modules do not look."""
        try:
            details = decode(await self._ask("OvmVm.getDetails", name))
        except Refused:
            details = {}
        told = [details.get("rootDisk") or {}, *details.get("disks", [])]
        for disk in told:
            await self._learn(str(disk.get("path") or ""))
        return seen(name, status, details, self._exports.get)

    async def _learn(self, path: str) -> None:
        name = repository_of(path)
        if name is not None and name not in self._exports:
            found = await self._pool(str(UUID(name)))
            if found is not None:
                self._exports[name] = str(found["path"])
                self._points[str(found["path"])] = str(found["mountPoint"])

    async def find(self, guest_id: UUID) -> Seen | None:
        listed = dict(decode(await self._ask("OvmHost.getAllVms")))
        mine = [name for name in sorted(listed) if whose(name)[0] == guest_id]
        mine.sort(key=lambda name: listed[name] != "RUNNING")
        return await self._look(mine[0], listed[mine[0]]) if mine else None

    def _to_host(self, path: str) -> str:
        export, within = split(path)
        return f"{self._points[export]}/{within}"

    async def start(self, spec: GuestSpec, disc: str, *, key: UUID) -> None:
        for export in {split(one.path)[0] for one in spec.disks}:
            await self._mount(export)
        vifs = [(one.mac, await self._bridge(one.bridge, one.vlan)) for one in spec.nics]
        name = name_of(spec.guest_id, key)
        inserted = [one.path for one in spec.disks if one.is_cdrom] + ([disc] if disc else [])
        if len(inserted) > 1:
            raise Refused("a guest of a 2.x agent has one drive, for a disc or for its user data")
        async with self._turn(str(spec.guest_id)):
            found = await self.find(spec.guest_id)
            if found is not None and found.power is not Power.OFF:
                return
            await self.undefine(spec.guest_id)
            try:
                await self._change("OvmVm.create", guest(spec, name, vifs, self._to_host))
            except (Refused, Unavailable):
                found = await self.find(spec.guest_id)
                if found is None or found.power is Power.OFF:
                    await self.undefine(spec.guest_id)
                    raise
            for path in inserted:
                await self._insert(name, path)

    async def _insert(self, name: str, path: str) -> None:
        """The agent mounts the folder where a disc lies by itself."""
        export, within = split(path)
        await self._change("OvmVm.detachOrAttachIso", name, f"{export}/{within}", True)

    async def stop(self, guest: Seen) -> None:
        with tolerating(is_gone):
            await self._change("OvmVm.stop", guest.ref)

    async def cut(self, guest: Seen) -> None:
        """The agent asks, waits as it is set up to, and cuts the power itself."""
        await self.stop(guest)

    async def reboot(self, guest: Seen, *, force: bool) -> None:
        await self._change("OvmVm.reboot", guest.ref)

    async def undefine(self, guest_id: UUID) -> bool:
        """The modules forget a guest only with its disk, so its link goes, and what lay there.

        What lies beside a root disk belongs to the host that it names (`host_<address>`).
        """
        mine = f"host_{(await self.own_ip()).replace('.', '_')}"
        free = True
        for export in await self.exports():
            root = locate(export, self._mounts) / OVM2.disks
            free &= await asyncio.to_thread(_unlink, root, guest_id, mine)
        return free

    async def exports(self) -> tuple[str, ...]:
        """The modules list none: those that were asked for, and those of the guests here."""
        return tuple(self._points)

    async def using(self, path: str) -> list[Seen]:
        found = [one for one in await self.seen() if one.power is not Power.OFF]
        return [one for one in found if path in one.disks]

    async def migrate(self, guest: Seen, target: Dialect) -> None:
        assert isinstance(target, Ovm2)
        for export in {split(path)[0] for path in guest.disks}:
            await target._mount(export)
        for _, bridge in guest.nics:
            await target._ensure(bridge)
        async with self._turn(str(guest.guest_id)):
            there = await target.own_ip()
            await self._change("OvmVm.migrate", guest.ref, there, within_s=MOVE_S)
        await target.settle(guest)

    async def settle(self, guest: Seen) -> None:
        """The host that has a guest now writes its name beside the guest's disk."""
        await self._change("OvmVm.register", guest.ref)

    async def pause(self, guest: Seen) -> None:
        raise Refused(f"pausing a guest: {CANNOT}")

    async def unpause(self, guest: Seen) -> None:
        raise Refused(f"pausing a guest: {CANNOT}")

    async def copy(self, source: str, target: str) -> None:
        raise Refused(f"copying a file: {CANNOT}")

    async def plug_disk(self, guest: Seen, disk: DiskAttachment) -> None:
        """A disc goes into the drive; a disk cannot be plugged."""
        if not disk.is_cdrom:
            raise Refused(f"plugging a disk: {CANNOT}")
        await self._insert(guest.ref, disk.path)

    async def unplug_disk(self, guest: Seen, volume_id: UUID) -> None:
        """What is no disk of the guest is taken for the disc in its drive."""
        if volume_id in dict(guest.volumes):
            raise Refused(f"unplugging a disk: {CANNOT}")
        await self._change("OvmVm.detachOrAttachIso", guest.ref, "", False)

    async def plug_nic(self, guest: Seen, nic: NicSpec) -> None:
        raise Refused(f"plugging a network card: {CANNOT}")

    async def unplug_nic(self, guest: Seen, nic_id: UUID) -> None:
        raise Refused(f"unplugging a network card: {CANNOT}")

    async def adopt(self, guest: Seen, adoption: Adoption, *, key: UUID) -> None:
        raise Refused(f"naming a guest anew: {CANNOT}")

    async def disown(self, guest: Seen) -> None:
        raise Refused(f"naming a guest anew: {CANNOT}")

    async def guest_stats(self) -> list[Seen]:
        """The agent tells how busy a guest is now, not how long it was: that is summed up here."""
        listed = dict(decode(await self._ask("OvmHost.getAllVms")))
        running = sorted(name for name, status in listed.items() if status == "RUNNING")
        cores = int(decode(await self._ask("OvmHost.getDetails"))["cpuNum"])
        room = asyncio.Semaphore(AT_ONCE)

        async def look(name: str) -> Seen | None:
            async with room:
                return await self._busy(name, cores)

        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(look(one), name="stats") for one in running if whose(one)[0]]
        self._spent = {name: one for name, one in self._spent.items() if name in listed}
        return [one for task in asked if (one := task.result()) is not None]

    async def _busy(self, name: str, cores: int) -> Seen | None:
        """None if the guest has gone meanwhile."""
        try:
            told = decode(await self._ask("OvmVm.getVmStats", name))
        except Refused:
            return None
        now_s = time.monotonic()
        then_s, spent_ns = self._spent.get(name, (now_s, 0))
        since_s = min(now_s - then_s, 10 * ASK_S)
        spent_ns += int(float(told["cpuUtil"]) / 100 * cores * since_s * 1e9)
        self._spent[name] = (now_s, spent_ns)
        guest_id, key = whose(name)
        return Seen(
            ref=name,
            repo="",
            name=name,
            power=Power.RUNNING,
            guest_id=guest_id,
            key=key,
            cpu_time_ns=spent_ns,
            network=(int(told["rxBytes"]) * KB, int(told["txBytes"]) * KB),
        )

    async def console(self, guest: Seen) -> Console:
        port = int(decode(await self._ask("OvmVm.getVncPort", guest.ref))["vncPort"])
        return Console(vnc_host=self.place.host, vnc_port=port)

    async def close(self) -> None:
        await self._agent.drop()

    async def _bridge(self, name: str, vlan: int | None = None) -> str:
        name = name or self.place.said("bridge")
        if not name:
            there = [str(one) for one in decode(await self._ask("OvmNetwork.getAllBridges"))]
            able = sorted(one for one in there if one.startswith("xenbr"))
            if not able:
                raise Refused(f"{self.place.host} has no bridge to a network: make one there")
            name = able[0]
        if vlan is None:
            return name
        card = str(decode(await self._ask("OvmNetwork.getBridgeDetails", name))["attach"])
        if card == "null":
            raise Refused(f"bridge {name} of {self.place.host} has no card for VLAN {vlan}")
        made = f"vlan{vlan}"
        asked = (encode({"name": made, "attach": "null"}), encode({"vid": vlan, "pif": card}))
        await self._change("OvmNetwork.createVlanBridge", *asked)
        return made

    async def _ensure(self, bridge: str) -> None:
        """A bridge of a VLAN, before a guest with a card on it comes."""
        if bridge.startswith("vlan") and bridge[4:].isdigit():
            await self._bridge("", int(bridge[4:]))

    def _turn(self, name: str) -> asyncio.Lock:
        return self._turns.setdefault(name, asyncio.Lock())


def _unlink(root: Path, guest_id: UUID, mine: str) -> bool:
    """Remove the links of a guest, and its definition, unless it is another host's.

    A link leads where the hosts have the repository, which is not where it is here.
    """
    free = True
    for link in root.glob(f"sg-{guest_id.hex}-*"):
        folder = root / link.readlink().name
        owners = [one.name for one in folder.glob("host_*")] if folder.is_dir() else []
        if owners and mine not in owners:
            free = False
            continue
        for name in (*LEFT, *owners):
            (folder / name).unlink(missing_ok=True)
        link.unlink(missing_ok=True)
    return free
