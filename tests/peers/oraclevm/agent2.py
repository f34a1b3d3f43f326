"""An agent of Oracle VM 2.2 with the modules that Apache CloudStack adds: `OvmDispatch`."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5
from xmlrpc.client import Fault

from tests.peers.certificate import Certificate
from tests.peers.oraclevm.wire import Line, Method
from tests.peers.oraclevm.world import DOM0_MIB, Domain, Machine, World, image

MOUNT = "/var/ovs/mount"
MIB = 1024**2
CODES = {
    "OvmHost.registerAsPrimary": 1001,
    "OvmHost.registerAsVmServer": 1002,
    "OvmHost.getDetails": 1004,
    "OvmHost.getPerformanceStats": 1005,
    "OvmHost.getAllVms": 1006,
    "OvmVm.create": 2001,
    "OvmVm.stop": 2002,
    "OvmVm.getDetails": 2003,
    "OvmVm.getVmStats": 2004,
    "OvmVm.migrate": 2005,
    "OvmVm.register": 2006,
    "OvmVm.getVncPort": 2007,
    "OvmVm.detachOrAttachIso": 2008,
    "OvmVm.reboot": 4,
    "OvmStoragePool.create": 3001,
    "OvmStoragePool.getDetailsByUuid": 3002,
    "OvmNetwork.getAllBridges": 4005,
    "OvmNetwork.createVlanBridge": 4007,
    "OvmNetwork.getBridgeDetails": -1,
}


class Failed(Exception):
    """What a module raises, before it becomes a fault with the method's code."""


class Agent2:
    """The agent of one machine: guests by name, definitions beside their root disks."""

    def __init__(self, world: World, machine: Machine, certificate: Certificate) -> None:
        self.world, self.machine = world, machine
        self.line = Line(certificate, self._find)
        self.pools: dict[str, dict[str, str]] = {}
        self.registered: set[str] = set()
        self.drives: dict[str, str] = {}

    def _find(self, name: str) -> Method | None:
        return self._dispatch if name == "OvmDispatch" else None

    async def _dispatch(self, name: str, *params: Any) -> Any:
        parts = name.split(".")
        if len(parts) != 2:
            raise Fault(1, f"{parts} is not a vaild format, should be classname.methodname")
        if name not in CODES:
            raise Fault(3, f"class {parts[0]} has no function {parts[1]}")
        try:
            return await getattr(self, f"_{parts[0]}_{parts[1]}")(*params)
        except Failed as error:
            raise Fault(CODES[name], f"<type 'exceptions.Exception'>:{error}") from error
        except Fault as error:
            raise Fault(CODES[name], error.faultString) from error

    # The host.

    async def _OvmHost_getDetails(self) -> str:
        one = self.machine
        return json.dumps(
            {
                "masterIp": one.ip,
                "cpuNum": one.cores,
                "cpuSpeed": 2400,
                "totalMemory": one.memory_mib * MIB,
                "freeMemory": one.free_mib * MIB,
                "dom0Memory": DOM0_MIB * MIB,
                "agentVersion": "2.3-42",
                "name": one.name,
                "dom0KernelVersion": "2.6.18-128.2.1.5.10.el5xen",
                "hypervisorVersion": "3.4.0",
            }
        )

    async def _OvmHost_registerAsPrimary(
        self, ip: str, user: str, password: str, port: int, ssl: bool
    ) -> str:
        if password != self.line.password:
            raise Failed(f"Register {ip} as site failed")
        self.registered.add("site")
        return "success"

    async def _OvmHost_registerAsVmServer(
        self, ip: str, user: str, password: str, port: int, ssl: bool
    ) -> str:
        if "site" not in self.registered:
            raise Failed(f"Register {ip} as site failed")
        self.registered.add("xen")
        return "success"

    async def _OvmHost_getPerformanceStats(self, bridge: str) -> str:
        if bridge not in self.machine.bridges:
            raise Failed(f"Cannot find /sys/class/net/{bridge}/statistics/rx_bytes")
        free, total = self.machine.free_mib * MIB, self.machine.memory_mib * MIB
        told = {"cpuUtil": 7.5, "totalMemory": total, "freeMemory": free}
        return json.dumps(told | {"rxBytes": 12, "txBytes": 34})

    async def _OvmHost_getAllVms(self) -> str:
        told = {}
        for domain in self.machine.domains.values():
            there = self._link(domain.name) is not None
            told[domain.name] = "RUNNING" if there else "ERROR"
        for pool in self.pools.values():
            root = self.machine.file(f"{pool['mountPoint']}/running_pool")
            for link in root.glob("*-*") if root.is_dir() else ():
                folder = self._folder(link)
                mine = folder and (folder / self._owner()).exists()
                if folder and mine and (folder / "vm.cfg").exists() and link.name not in told:
                    told[link.name] = "DOWN"
        return json.dumps(told)

    def _owner(self) -> str:
        return f"host_{self.machine.ip.replace('.', '_')}"

    def _folder(self, link: Path) -> Path | None:
        """Where a link leads, as the host sees it."""
        if not link.is_symlink():
            return None
        found = self.machine.file(os.readlink(link))
        return found if found.is_dir() else None

    def _link(self, name: str) -> Path | None:
        for pool in self.pools.values():
            link = self.machine.file(f"{pool['mountPoint']}/running_pool/{name}")
            if link.is_symlink():
                return link
        return None

    # Repositories.

    async def _OvmStoragePool_create(self, text: str) -> str:
        asked = _loads(text)
        if asked["type"] not in ("OVSSPNFS", "OVSSPOCFS2", "OVSSPPartition"):
            raise Failed(f"Unknown storage type {asked['type']}")
        if asked["path"] not in self.world.exports:
            raise Failed(
                f"mount.nfs: access denied by server while mounting {asked['path']}, return code:32"
            )
        await self.world.beat()
        point = f"{MOUNT}/{uuid5(NAMESPACE_URL, asked['path']).hex.upper()}"
        self.machine.mounts[point] = asked["path"]
        for one in ("running_pool", "seed_pool", "iso_pool", "shareDisk"):
            self.machine.file(f"{point}/{one}").mkdir(exist_ok=True)
        self.pools[asked["uuid"]] = {
            "uuid": asked["uuid"],
            "type": asked["type"],
            "path": asked["path"],
            "mountPoint": point,
        }
        return "success"

    async def _OvmStoragePool_getDetailsByUuid(self, pool_id: str) -> str:
        pool = self.pools.get(pool_id)
        if pool is None:
            raise Failed(f"No SR matching to {pool_id}")
        there = os.statvfs(self.machine.file(pool["mountPoint"]))
        total, free = there.f_blocks * there.f_frsize, there.f_bavail * there.f_frsize
        space = {"totalSpace": total, "freeSpace": free, "usedSpace": total - free}
        return json.dumps(pool | space)

    # Networks.

    async def _OvmNetwork_getAllBridges(self) -> str:
        return json.dumps(list(self.machine.bridges))

    async def _OvmNetwork_getBridgeDetails(self, name: str) -> str:
        if name not in self.machine.bridges:
            raise Failed(f"No bridge {name} found")
        card = self.machine.bridges[name]
        return json.dumps({"name": name, "attach": card, "interfaces": [card]})

    async def _OvmNetwork_createVlanBridge(self, bridge: str, vlan: str) -> str:
        made, asked = _loads(bridge), _loads(vlan)
        if asked["pif"] not in self.machine.bridges.values():
            raise Failed(f"Physical Interface({asked['pif']}) does not exist")
        if "xenbr" not in made["name"] and "vlan" not in made["name"]:
            raise Failed(
                f"Invalid bridge name {made['name']}. Bridge name must be in partten xenbr/vlan"
            )
        self.machine.bridges.setdefault(made["name"], f"{asked['pif']}.{asked['vid']}")
        return "success"

    # Guests.

    async def _OvmVm_create(self, text: str) -> str:
        asked = _loads(text)
        name, root = asked["name"], asked["rootDisk"]["path"]
        async with self.world.turn(self.machine.ip, name):
            if "xen" not in self.registered:
                raise Failed("failed:No available server to start the VM")
            if not self.machine.file(root).is_file():
                raise Failed(f"Cannot find root disk {root}")
            if asked["bootDev"] != "HDD" or asked["type"] not in ("HVM", "PV"):
                raise Failed(f"Unkown bootdev {asked['bootDev']} for {name}")
            folder = os.path.dirname(root)
            link = f"{os.path.dirname(folder)}/{name}"
            if not self.machine.file(link).is_symlink():
                os.symlink(folder, self.machine.file(link))
            there = self.machine.file(folder)
            (there / "vmName").write_text(name)
            self._tap(there)
            disks = [f"file:{link}/{os.path.basename(root)},hda,w"]
            disks += [f"file:{d['path']},xvd{'bcdefgh'[n]},w" for n, d in enumerate(asked["disks"])]
            vifs = [f"mac={v['mac']},bridge={v['bridge']},type={v['type']}" for v in asked["vifs"]]
            (there / "vm.cfg").write_text(json.dumps({"disk": disks, "vif": vifs} | asked))
            await self.world.beat()
            memory = int(asked["memory"]) // MIB
            real = [f"file:{root},hda,w", *disks[1:]]
            domain = Domain(name, str(uuid4()), int(asked["cpuNum"]), memory, real, vifs)
            self.machine.run(domain)
        return "success"

    def _tap(self, folder: Path) -> None:
        for one in folder.glob("host_*"):
            one.unlink()
        (folder / self._owner()).write_text(self._owner())

    async def _OvmVm_stop(self, name: str) -> str:
        """It asks, waits for as long as it is set up to, and cuts."""
        async with self.world.turn(self.machine.ip, name):
            domain = self.machine.by_name(name)
            if domain is None or self._link(name) is None:
                return "success"
            await asyncio.sleep(self.world.heed_s)
            self.machine.domains.pop(domain.uuid, None)
            self.drives.pop(name, None)
        return "success"

    async def _OvmVm_reboot(self, name: str) -> str:
        async with self.world.turn(self.machine.ip, name):
            domain = self._running(name)
            await self.world.beat()
            domain.since_s = time.monotonic()
            return json.dumps({"vncPort": str(5900 + domain.number)})

    def _running(self, name: str) -> Domain:
        domain = self.machine.by_name(name)
        if domain is None:
            raise Failed(f"No domain id for {name} found")
        return domain

    async def _OvmVm_getDetails(self, name: str) -> str:
        link = self._link(name)
        folder = self._folder(link) if link is not None else None
        empty = {"path": "", "type": "", "isIso": False}
        if folder is None or not (folder / "vm.cfg").exists():
            told: dict[str, Any] = {
                "cpuNum": 0,
                "memory": 0,
                "powerState": "",
                "name": "",
                "type": "",
            }
            return json.dumps(told | {"vifs": [], "rootDisk": empty, "disks": []})
        config = json.loads((folder / "vm.cfg").read_text())
        disks: list[dict[str, Any]] = [
            {"path": image(one), "type": "w", "isIso": False} for one in config["disk"]
        ]
        running = self.machine.by_name(name) is not None
        return json.dumps(
            {
                "cpuNum": config["cpuNum"],
                "memory": config["memory"],
                "powerState": "RUNNING" if running else "DOWN",
                "name": name,
                "type": config["type"],
                "vifs": config["vifs"],
                "rootDisk": next(one for one in disks if name in one["path"]),
                "disks": [one for one in disks if name not in one["path"]],
            }
        )

    async def _OvmVm_getVmStats(self, name: str) -> str:
        domain = self._running(name)
        return json.dumps({"cpuNum": domain.vcpus, "cpuUtil": 2.5, "rxBytes": 1, "txBytes": 2})

    async def _OvmVm_migrate(self, name: str, target: str) -> str:
        async with self.world.turn(self.machine.ip, name):
            domain = self._running(name)
            there = self.world.machines.get(target)
            if there is None:
                raise Failed("failed:Error: (113, 'No route to host')")
            await self.world.beat()
            there.run(domain)
            del self.machine.domains[domain.uuid]
            link = self._link(name)
            folder = self._folder(link) if link is not None else None
            for one in folder.glob("host_*") if folder is not None else ():
                one.unlink()
        return "success"

    async def _OvmVm_register(self, name: str) -> str:
        domain, link = self._running(name), self._link(name)
        folder = self._folder(link) if link is not None else None
        if folder is None:
            raise Failed(
                f"Cannot find link for {name} in any primary storage, the vm was really gone!"
            )
        self._tap(folder)
        return json.dumps({"vncPort": str(5900 + domain.number)})

    async def _OvmVm_getVncPort(self, name: str) -> str:
        return json.dumps({"vncPort": str(5900 + self._running(name).number)})

    async def _OvmVm_detachOrAttachIso(self, name: str, iso: str, attach: bool) -> str:
        self._running(name)
        if attach:
            folder, disc = os.path.split(iso)
            export = next((one for one in self.world.exports if folder.startswith(one)), None)
            if export is None:
                raise Failed(f"mount: {folder} failed, return code:32")
            if not (self.world.exports[export] / folder[len(export) + 1 :] / disc).exists():
                raise Failed(f"Cannot found iso {disc} at {folder}")
            self.drives[name] = iso
        else:
            self.drives.pop(name, None)
        return "success"


def _loads(text: str) -> dict[str, Any]:
    """As the modules read JSON: apostrophes are quotes."""
    try:
        return dict(json.loads(text.replace("'", '"')))
    except ValueError as error:
        raise Failed(f"No JSON object could be decoded: {error}") from error
