"""A host of Oracle VM 3.x: its agent's own methods, and nothing that must be installed there.

The definition of a guest (`vm.cfg`) lies in the repository of its root disk, which all hosts share:
it says on which host the guest is, so that another one's clearing away leaves it alone.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
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
)
from drivers.contract.errors import Refused, Unavailable
from drivers.oraclevm import ownership
from drivers.oraclevm.address import Place
from drivers.oraclevm.client import COPY_S, Agent
from drivers.oraclevm.dialect import Dialect, Seen
from drivers.oraclevm.errors import is_gone, is_there, tolerating
from drivers.oraclevm.repo import OVM3, Repo, repo_id, split
from drivers.oraclevm.translate3 import (
    DRIVE,
    ROOT,
    Note,
    bridges,
    disk_line,
    guest_params,
    known,
    mac_of,
    note_in,
    path_of,
    read,
    repositories,
    seen,
    to_host,
    vif,
    with_note,
)

ALIAS = "OVS Repository"
PAGE_BYTES = 4096
AT_ONCE = 8
MOVE_S = 3600.0
VNC_BYTES = 4


class Ovm3:
    """The agent of one host."""

    layout = OVM3
    copies_on_host = True

    def __init__(self, agent: Agent, manager: str) -> None:
        self._agent, self._manager = agent, manager
        self._exports: dict[str, str] = {}
        self._mounted: set[str] = set()
        self._turns: dict[str, asyncio.Lock] = {}
        self._ip = ""
        self._busy: tuple[float, float] | None = None
        self._whose: dict[str, Seen] = {}

    @property
    def place(self) -> Place:
        return self._agent.place

    async def facts(self) -> HostFacts:
        told = await ownership.server(self._agent)
        hardware = read(await self._agent.ask("discover_hardware"))
        physical = hardware.find("NodeInformation/VMM/PhysicalInfo")
        if physical is None:
            raise Unavailable(f"{self.place.host}: discover_hardware says nothing of the machine")
        number = {one.tag: int(one.text or 0) for one in physical if (one.text or "").isdigit()}
        cores = number["SocketsPerNode"] * number["CoresPerSocket"] * number["ThreadsPerCore"]
        xen = ".".join(told.findtext(f"VMM/Version/{one}", "") for one in ("Major", "Minor"))
        return HostFacts(
            hardware_id=told.findtext("Unique_Id", ""),
            name=told.findtext("Hostname", self.place.host),
            hypervisor_version=told.findtext("OVM_Version", ""),
            cpu_count=cores * number.get("Nodes", 1),
            cpu_mhz=number["CPUKHz"] // 1000,
            memory_bytes=number["TotalPages"] * PAGE_BYTES,
            accelerated=True,
            capabilities=("hvm",),
            detail=f"Oracle VM Server, Xen {xen}, agent {told.findtext('Agent_Version', '')}",
        )

    async def stats(self) -> HostStats:
        domains = await self._agent.ask("list_vms")
        hardware = read(await self._agent.ask("discover_hardware"))
        boot = await self._agent.ask("get_last_boot_time")
        physical = {one.tag: one.text for one in hardware.iter() if one.text}
        used = int(physical.get("TotalPages", 0)) - int(physical.get("FreePages", 0))
        cores = int(physical.get("SocketsPerNode", 1)) * int(physical.get("CoresPerSocket", 1))
        spent_s = sum(float(str(one.get("cpu_time") or 0)) for one in domains)
        return HostStats(
            cpu_used_percent=self._percent(spent_s, cores),
            memory_used_bytes=used * PAGE_BYTES,
            network_read_bytes=0,
            network_write_bytes=0,
            uptime_s=max(0, int(boot["local_time"]) - int(boot["last_boot_time"])),
        )

    def _percent(self, spent_s: float, cores: int) -> float:
        """Between two looks, by the CPU time of all domains, the host's own among them."""
        now_s, before = time.monotonic(), self._busy
        self._busy = (now_s, spent_s)
        if before is None or now_s <= before[0]:
            return 0.0
        return max(0.0, min(100.0, 100 * (spent_s - before[1]) / (now_s - before[0]) / cores))

    async def own_ip(self) -> str:
        if not self._ip:
            told = await ownership.server(self._agent)
            self._ip = told.findtext("Registered_IP", "") or self.place.host
        return self._ip

    async def members(self) -> tuple[str, ...]:
        pool = await ownership.pool_of(self._agent)
        return pool[1] if pool else ()

    async def mount(self, repo: Repo) -> None:
        await self._mount(repo.export)

    async def _mount(self, export: str) -> None:
        if export in self._mounted:
            return
        async with self._turn(export):
            await ownership.take(self._agent, self._manager)
            name = repo_id(export).hex
            if (await self._repositories()).get(name, ("", ""))[1] != "Mounted":
                await self._bring(export, f"{ROOT}/{name}", name)
            await self._join()
            self._exports[name] = export
            self._mounted.add(export)

    async def _bring(self, export: str, point: str, name: str) -> None:
        """Another host may make the repository at the same moment: then it is there to be added."""
        with tolerating(is_there):
            await self._agent.change("mount_repository_fs", export, point)
        for last in (False, True):
            try:
                await self._agent.change("add_repository", export, point)
                return
            except Refused:
                if last:
                    raise
            with tolerating(is_there):
                await self._agent.change("create_repository", export, point, name, ALIAS)
                return

    async def _join(self) -> None:
        vip, pool_id = self.place.said("vip"), self.place.said("pool")
        if not vip or not pool_id:
            return
        master = Agent(self.place.beside(vip), *self._agent.credentials)
        try:
            answers = True
            with tolerating(lambda error: isinstance(error, Unavailable)):
                answers = False
                await master.ask("get_api_version")
                answers = True
            await ownership.join(self._agent, master if answers else None, pool_id, vip)
        finally:
            await master.drop()

    async def _repositories(self) -> dict[str, tuple[str, str]]:
        found = repositories(await self._agent.ask("discover_repository_db"))
        self._exports |= {name: export for name, (export, _) in found.items()}
        return found

    async def seen(self) -> list[Seen]:
        """One call for all domains, and one for the file of each, a few at a time."""
        found = await self._domains()
        room = asyncio.Semaphore(AT_ONCE)

        async def whose(guest: Seen) -> Seen:
            async with room:
                return known(guest, await self._config(guest))

        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(whose(one), name="vm.cfg") for one in found]
        told = [one.result() for one in asked]
        self._whose = {one.ref: one for one in told}
        return told

    async def _domains(self) -> list[Seen]:
        domains = [one for one in await self._agent.ask("list_vms") if one["name"] != "Domain-0"]
        found = [seen(one, self._exports.get) for one in domains]
        if any(path.startswith(ROOT) for one in found for path in one.disks):
            await self._repositories()
            found = [seen(one, self._exports.get) for one in domains]
        return found

    async def _config(self, guest: Seen) -> Mapping[str, Any]:
        """What its file says; nothing, if it has none in a repository."""
        if ":/" not in guest.repo:
            return {}
        try:
            return dict(await self._agent.ask("get_vm_config", _hex(guest.repo), guest.ref))
        except Refused as error:
            if is_gone(error):
                return {}
            raise

    async def find(self, guest_id: UUID) -> Seen | None:
        """A guest of ours has its own id; one that was adopted is looked for among all."""
        found = await self._domains()
        for one in found:
            if one.ref == str(guest_id):
                whose = known(one, await self._config(one))
                if whose.guest_id == guest_id:
                    return whose
        if not found:
            return None
        return next((one for one in await self.seen() if one.guest_id == guest_id), None)

    async def start(self, spec: GuestSpec, disc: str, *, key: UUID) -> None:
        root = next((one for one in spec.disks if not one.is_cdrom), None) or spec.disks[0]
        name, ref = _hex(split(root.path)[0]), str(spec.guest_id)
        for export in {split(one.path)[0] for one in spec.disks}:
            await self._mount(export)
        note = Note(
            guest_id=spec.guest_id,
            key=key,
            host=await self.own_ip(),
            nics={one.nic_id: one.mac.lower() for one in spec.nics},
            disks={one.volume_id: one.path for one in spec.disks},
        )
        vifs = [vif(one.mac, await self._bridge(one)) for one in spec.nics]
        params = guest_params(spec, disc, vifs, note, secrets.token_hex(VNC_BYTES))
        async with self._turn(ref):
            if await self.find(spec.guest_id) is not None:
                return
            try:
                await self._agent.change("create_vm", name, ref, params)
            except Refused as error:
                if not is_there(error):
                    raise
                await self._agent.change("set_vm_config", name, ref, params)
            try:
                await self._agent.change("start_vm", name, ref)
            except (Refused, Unavailable):
                if await self.find(spec.guest_id) is None:
                    with tolerating(is_gone):
                        await self._agent.change("delete_vm", name, ref)
                    raise

    async def stop(self, guest: Seen) -> None:
        with tolerating(is_gone):
            await self._agent.change("stop_vm", _hex(guest.repo), guest.ref, False)

    async def cut(self, guest: Seen) -> None:
        with tolerating(is_gone):
            await self._agent.change("stop_vm", _hex(guest.repo), guest.ref, True)

    async def reboot(self, guest: Seen, *, force: bool) -> None:
        if force:
            await self.cut(guest)
            await self._agent.change("start_vm", _hex(guest.repo), guest.ref)
        else:
            await self._agent.change("reboot_vm", _hex(guest.repo), guest.ref, 3)

    async def undefine(self, guest_id: UUID) -> bool:
        """What another host has by now is none of this one's."""
        mine, free = await self.own_ip(), True
        for name in await self._repositories():
            with tolerating(is_gone):
                note = note_in(await self._agent.ask("get_vm_config", name, str(guest_id)))
                if note is None or note.host != mine:
                    free = False
                else:
                    await self._agent.change("delete_vm", name, str(guest_id))
        return free

    async def exports(self) -> tuple[str, ...]:
        found = await self._repositories()
        return tuple(export for export, status in found.values() if status == "Mounted")

    async def using(self, path: str) -> list[Seen]:
        return [one for one in await self._domains() if path in (*one.disks, *one.discs)]

    async def migrate(self, guest: Seen, target: Dialect) -> None:
        assert isinstance(target, Ovm3)
        for export in {split(path)[0] for path in guest.disks}:
            await target._mount(export)
        for _, bridge in guest.nics:
            await target._ensure(bridge)
        there = await target.own_ip()
        async with self._turn(guest.ref):
            await self._agent.change(
                "migrate_vm", _hex(guest.repo), guest.ref, there, True, False, within_s=MOVE_S
            )
        await target.settle(guest)

    async def settle(self, guest: Seen) -> None:
        """Say in a guest's file that it is here now."""
        config = await self._config(guest)
        note, mine = note_in(config), await self.own_ip()
        if note is not None and note.host != mine:
            await self._configure(guest, with_note(config, replace(note, host=mine)))

    async def pause(self, guest: Seen) -> None:
        with tolerating(is_there):
            await self._agent.change("pause_vm", _hex(guest.repo), guest.ref)

    async def unpause(self, guest: Seen) -> None:
        with tolerating(is_gone):
            await self._agent.change("unpause_vm", _hex(guest.repo), guest.ref)

    async def copy(self, source: str, target: str) -> None:
        for export in {split(source)[0], split(target)[0]}:
            await self._mount(export)
        await self._agent.change(
            "copy_file", to_host(source), to_host(target), True, within_s=COPY_S
        )

    async def plug_disk(self, guest: Seen, disk: DiskAttachment) -> None:
        await self._mount(split(disk.path)[0])
        line, drive = disk_line(disk), f",{DRIVE},"
        async with self._turn(guest.ref):
            config = await self._config(guest)
            lines = [one for one in config["disk"] if not (disk.is_cdrom and drive in one)]
            if line not in lines:
                note = _noted(config)
                note = replace(note, disks={**note.disks, disk.volume_id: disk.path})
                await self._configure(guest, with_note({**config, "disk": [*lines, line]}, note))

    async def unplug_disk(self, guest: Seen, volume_id: UUID) -> None:
        """A disc leaves its drive behind."""
        async with self._turn(guest.ref):
            config = await self._config(guest)
            note = _noted(config)
            path = note.disks.get(volume_id) or dict(guest.volumes).get(volume_id, "")
            host_path = to_host(path) if path else ""
            lines = [one for one in config["disk"] if path_of(one) != host_path]
            gone = [one for one in config["disk"] if one not in lines]
            if not host_path or not gone:
                return
            if any(f",{DRIVE}," in one for one in gone):
                lines.append(f",{DRIVE},r")
            disks = {one: where for one, where in note.disks.items() if one != volume_id}
            changed = with_note({**config, "disk": lines}, replace(note, disks=disks))
            await self._configure(guest, changed)

    async def plug_nic(self, guest: Seen, nic: NicSpec) -> None:
        line = vif(nic.mac, await self._bridge(nic))
        async with self._turn(guest.ref):
            config = await self._config(guest)
            if nic.mac.lower() in {mac_of(one) for one in config["vif"]}:
                return
            note = _noted(config)
            note = replace(note, nics={**note.nics, nic.nic_id: nic.mac.lower()})
            await self._configure(guest, with_note({**config, "vif": [*config["vif"], line]}, note))

    async def unplug_nic(self, guest: Seen, nic_id: UUID) -> None:
        async with self._turn(guest.ref):
            config = await self._config(guest)
            note = _noted(config)
            if (mac := note.nics.get(nic_id)) is None:
                return
            lines = [one for one in config["vif"] if mac_of(one) != mac]
            nics = {one: where for one, where in note.nics.items() if one != nic_id}
            changed = with_note({**config, "vif": lines}, replace(note, nics=nics))
            await self._configure(guest, changed)

    async def adopt(self, guest: Seen, adoption: Adoption, *, key: UUID) -> None:
        async with self._turn(guest.ref):
            config = await self._config(guest)
            if not config:
                raise Refused(
                    f"{guest.name} has no vm.cfg in a repository of this host, where its new id "
                    "could be kept: it was not made through an agent"
                )
            note = Note(
                guest_id=adoption.guest_id,
                key=key,
                host=await self.own_ip(),
                nics={one: mac.lower() for one, mac in adoption.nics},
                disks=dict(adoption.disks),
            )
            await self._configure(guest, with_note(config, note))

    async def disown(self, guest: Seen) -> None:
        async with self._turn(guest.ref):
            config = await self._config(guest)
            await self._configure(guest, with_note(config, None))

    async def guest_stats(self) -> list[Seen]:
        """One call, unless a guest has come that was not listed before."""
        found = await self._domains()
        if any(one.ref not in self._whose for one in found):
            await self.seen()
        known_ = ((one, self._whose.get(one.ref)) for one in found)
        return [replace(one, guest_id=whose.guest_id) for one, whose in known_ if whose is not None]

    async def console(self, guest: Seen) -> Console:
        port, password = guest.vnc
        if not port:
            raise Unavailable(f"guest {guest.guest_id} has no screen yet: ask again")
        return Console(vnc_host=self.place.host, vnc_port=port, vnc_password=password)

    async def close(self) -> None:
        await self._agent.drop()

    async def _configure(self, guest: Seen, config: Mapping[str, Any]) -> None:
        await self._agent.change("configure_vm", _hex(guest.repo), guest.ref, dict(config))
        self._whose.clear()

    async def _bridge(self, nic: NicSpec) -> str:
        """The bridge that a card is put on, which is made if it is one of a VLAN."""
        name = nic.bridge or self.place.said("bridge")
        if not name:
            there = bridges(await self._agent.ask("discover_network"))
            able = sorted(one.name for one in there if one.physical and "." not in one.physical)
            if not able:
                raise Refused(f"{self.place.host} has no bridge to a network: make one there")
            name = able[0]
        if nic.vlan is None:
            return name
        await self._ensure(f"{name}.{nic.vlan}")
        return f"{name}.{nic.vlan}"

    async def _ensure(self, name: str) -> None:
        base, _, vlan = name.rpartition(".")
        if not base or not vlan.isdigit():
            return
        there = {
            one.name: one.physical for one in bridges(await self._agent.ask("discover_network"))
        }
        if name in there:
            return
        if not there.get(base):
            raise Refused(f"{self.place.host} has no bridge {base} with a card for VLAN {vlan}")
        with tolerating(is_there):
            await self._agent.change("ovs_vlan_bridge", "start", name, there[base], int(vlan))

    def _turn(self, name: str) -> asyncio.Lock:
        return self._turns.setdefault(name, asyncio.Lock())


def _hex(export: str) -> str:
    return repo_id(export).hex


def _noted(config: Mapping[str, Any]) -> Note:
    note = note_in(config)
    if note is None:
        raise Refused("the guest is not ours any more")
    return note
