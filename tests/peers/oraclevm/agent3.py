"""An agent of Oracle VM 3.2: its methods, their arguments, and what it says when it will not."""

from __future__ import annotations

import ast
import asyncio
import inspect
import shutil
import time
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.sax.saxutils import escape
from xmlrpc.client import Fault

from tests.peers.certificate import Certificate
from tests.peers.oraclevm.wire import Line, Method
from tests.peers.oraclevm.world import DOM0_MIB, Domain, Machine, World, copy, image, xm

ROOT = "/OVS/Repositories"
FOLDERS = ("Assemblies", "ISOs", "Templates", "VirtualDisks", "VirtualMachines")
STAMP = ".ovsrepo"
NEEDED = {"name": str, "memory": (str, int), "vcpus": int, "disk": list, "vif": list}
ROLES = {"xen", "utility"}


def refuse(text: str, kind: str = "exceptions.Exception") -> Fault:
    return Fault(1, f"{kind}:{text}")


class Agent3:
    """The agent of one machine. What a 3.x agent keeps of owner and pool is here."""

    def __init__(self, world: World, machine: Machine, certificate: Certificate) -> None:
        self.world, self.machine = world, machine
        self.line = Line(certificate, self._find)
        self.manager = ""
        self.roles = "xen"
        self.pool: dict[str, Any] | None = None
        self.repositories: dict[str, tuple[str, str]] = {}

    def _find(self, name: str) -> Method | None:
        """Only what an agent publishes, and only as often and as typed as it takes it."""
        method = getattr(self, f"rpc_{name}", None)
        return method if inspect.iscoroutinefunction(method) else None

    # The host.

    async def rpc_get_api_version(self) -> list[int]:
        return [3]

    async def rpc_discover_server(self) -> str:
        state = "Pooled" if self.pool else "Owned" if self.manager else "Unowned"
        one = self.machine
        told = {
            "Unique_Id": ":".join(one.id[n : n + 2] for n in range(0, 32, 2)),
            "Boot_Time": "1413834408",
            "Agent_Version": "3.2.1-183",
            "RPM_Version": "3.2.1-183",
            "OVM_Version": "3.2.1-517",
            "CPU_Type": "x86_64",
            "OS_Name": "Oracle VM Server",
            "Hypervisor_Type": "xen",
            "Pool_Unique_Id": self.pool["id"] if self.pool else "none",
            "Manager_Unique_Id": self.manager or "none",
            "Hostname": one.name,
            "Registered_IP": one.ip,
            "Server_Roles": self.roles,
            "Membership_State": state,
            "Cluster_State": "Offline",
        }
        said = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in told.items())
        xen = "<VMM><Version><Major>4</Major><Minor>1</Minor><Extra>.3OVM</Extra></Version></VMM>"
        return _xml("Discover_Server_Result", f"<Server>{said}{xen}</Server>")

    async def rpc_discover_hardware(self) -> str:
        one = self.machine
        pages = 256
        told = {
            "ThreadsPerCore": 1,
            "CoresPerSocket": one.cores,
            "SocketsPerNode": 1,
            "Nodes": 1,
            "CPUKHz": 3392400,
            "TotalPages": one.memory_mib * pages,
            "FreePages": one.free_mib * pages,
        }
        said = "".join(f"<{name}>{number}</{name}>" for name, number in told.items())
        inner = f"<VMM><PhysicalInfo>{said}</PhysicalInfo></VMM>"
        return _xml("Discover_Hardware_Result", f"<NodeInformation>{inner}</NodeInformation>")

    async def rpc_get_last_boot_time(self) -> dict[str, int]:
        now = int(time.time())
        up_s = int(time.monotonic() - self.machine.boot_s)
        return {"last_boot_time": now - up_s - 60, "local_time": now}

    async def rpc_discover_network(self) -> str:
        said = "".join(
            f'<Device Name="{name}"><Family Type="AF_INET"><MAC>52:54:00:24:47:70</MAC></Family>'
            f"<Interfaces><PhyInterface>{card}</PhyInterface></Interfaces></Device>"
            for name, card in self.machine.bridges.items()
        )
        inner = f"<Network><Active><Bridges>{said}</Bridges></Active></Network>"
        return _xml("Discover_Network_Result", inner)

    async def rpc_ovs_vlan_bridge(self, action: str, bridge: str, net: str, vlan: int) -> str:
        script = "/etc/xen/scripts/linuxbridge/ovs-vlan-bridge"
        if not 1 <= vlan <= 4095 or net not in self.machine.bridges.values():
            raise refuse(
                f"Command: ['{script}', '{action}'] failed (1): stderr: no {net} or VLAN {vlan}",
                "exceptions.RuntimeError",
            )
        if action == "start":
            if bridge in self.machine.bridges:
                raise refuse(f"Bridge {bridge} already exists", "exceptions.RuntimeError")
            self.machine.bridges[bridge] = f"{net}.{vlan}"
        else:
            self.machine.bridges.pop(bridge, None)
        return f"{action} bridge={bridge} netdev={net} vlan {vlan}"

    # Whose it is.

    async def rpc_update_server_roles(self, roles: str) -> None:
        if not set(roles.split(",")) <= ROLES:
            raise refuse(f"Invalid roles: set({roles.split(',')})")
        self.roles = roles

    async def rpc_take_ownership(self, manager: str, url: str) -> None:
        if len(manager) != 32:
            raise refuse(f"Invalid manager uuid: {manager}")
        if self.manager not in ("", manager):
            raise refuse(f"Server already owned by manager: {self.manager}")
        self.manager = manager

    async def rpc_release_ownership(self, manager: str) -> None:
        if self.pool:
            raise refuse(f"Server is in a server pool: {self.pool['id']}")
        if manager != self.manager:
            raise refuse(f"Server not owned by manager: {manager}")
        self.manager = ""

    async def rpc_discover_server_pool(self) -> str:
        if self.pool is None:
            return _xml("Discover_Server_Pool_Result", "")
        ips = "".join(
            f"<Member><Registered_IP>{ip}</Registered_IP></Member>" for ip in self.pool["members"]
        )
        said = (
            f"<Unique_Id>{self.pool['id']}</Unique_Id><Pool_Alias>{self.pool['alias']}</Pool_Alias>"
            f"<Master_Virtual_Ip>{self.pool['vip']}</Master_Virtual_Ip>"
            f"<Member_List>{ips}</Member_List>"
        )
        return _xml("Discover_Server_Pool_Result", f"<Server_Pool>{said}</Server_Pool>")

    def _enter(self, alias: str, pool: str, vip: str, ip: str, roles: str) -> None:
        self._owned()
        if self.pool is not None:
            raise refuse(f"Server already a member of pool: {self.pool['id']}")
        if "utility" not in self.roles.split(",") or not set(roles.split(",")) <= ROLES:
            raise refuse(f"Invalid roles: set({roles.split(',')})")
        self.pool = {"id": pool, "alias": alias, "vip": vip, "members": [ip]}

    async def rpc_create_server_pool(
        self, alias: str, pool: str, vip: str, number: int, name: str, ip: str, roles: str
    ) -> None:
        self._enter(alias, pool, vip, ip, roles)

    async def rpc_join_server_pool(
        self, alias: str, pool: str, vip: str, number: int, name: str, ip: str, roles: str
    ) -> None:
        self._enter(alias, pool, vip, ip, roles)

    async def rpc_set_pool_member_ip_list(self, members: list[str]) -> None:
        if self.pool is None:
            raise refuse("Server is not in a server pool")
        self.pool["members"] = list(members)

    async def rpc_leave_server_pool(self, pool: str) -> None:
        if self.pool is None or self.pool["id"] != pool:
            raise refuse(f"Server not a member of pool: {pool}")
        self.pool = None

    def _owned(self) -> None:
        if not self.manager:
            raise refuse("Server is not owned by any manager")

    # Repositories.

    async def rpc_mount_repository_fs(self, location: str, point: str) -> None:
        self._owned()
        if point in self.machine.mounts:
            return
        if location not in self.world.exports:
            raise refuse(
                f"Command: ['mount', '-t', 'nfs', '{location}', '{point}'] failed (32): stderr: "
                "mount.nfs: access denied by server while mounting",
                "exceptions.RuntimeError",
            )
        await self.world.beat()
        self.machine.mounts[point] = location

    async def rpc_add_repository(self, location: str, point: str) -> None:
        self._owned()
        stamp = self.machine.file(point) / STAMP
        if self.machine.mounts.get(point) != location or not stamp.is_file():
            raise refuse(f"Repository does not exist: {location}")
        name = stamp.read_text().split("=")[1].strip()
        if point != f"{ROOT}/{name}":
            raise refuse(f"Repository {name} cannot be mounted on {point}")
        self.repositories[name] = (location, point)

    async def rpc_create_repository(self, location: str, point: str, name: str, alias: str) -> None:
        self._owned()
        if point not in self.machine.mounts:
            await self.rpc_mount_repository_fs(location, point)
        folder = self.machine.file(point)
        if (folder / STAMP).exists():
            raise refuse("Repository already exists")
        await self.world.beat()
        for one in FOLDERS:
            (folder / one).mkdir(exist_ok=True)
        (folder / STAMP).write_text(f"OVS_REPO_UUID={name}\n")
        self.repositories[name] = (location, point)

    async def rpc_discover_repository_db(self) -> str:
        said = ""
        for name, (location, point) in self.repositories.items():
            status = "Mounted" if point in self.machine.mounts else "Unmounted"
            said += (
                f'<Repository Uuid="{name}"><Fs_location>{escape(location)}</Fs_location>'
                f"<Mount_point>{point}</Mount_point><Filesystem_type>nfs</Filesystem_type>"
                f"<Version>3.0</Version><Alias>OVS Repository</Alias>"
                f"<Manager_uuid>{self.manager}</Manager_uuid><Status>{status}</Status></Repository>"
            )
        inner = f"<RepositoryDbList>{said}</RepositoryDbList>"
        return _xml("Discover_Repository_Db_Result", inner)

    async def rpc_copy_file(self, source: str, target: str, sparse: bool) -> None:
        given, made = self.machine.file(source), self.machine.file(target)
        for one, path in ((given, source), (made.parent, target)):
            if not one.exists():
                raise refuse(f"[Errno 2] No such file or directory: '{path}'", "exceptions.IOError")
        await copy(given, made, sparse=sparse, pause_s=self.line.slow.get("copy piece", 0))

    # Guests.

    async def rpc_list_vms(self) -> list[dict[str, Any]]:
        zero = {
            "name": "Domain-0",
            "uuid": str(UUID(int=0)),
            "domid": "0",
            "vcpus": str(self.machine.cores),
            "memory": str(DOM0_MIB),
            "state": "r-----",
            "cpu_time": str((time.monotonic() - self.machine.boot_s) / 20),
        }
        return [zero, *(_told(one) for one in self.machine.domains.values())]

    def _folder(self, repo: str, vm: str) -> Path:
        if repo not in self.repositories:
            raise refuse(f"Repository does not exist: {repo}")
        return self.machine.file(f"{ROOT}/{repo}/VirtualMachines/{vm}")

    def _config(self, repo: str, vm: str) -> dict[str, Any]:
        path = self._folder(repo, vm) / "vm.cfg"
        if not path.exists():
            raise refuse(
                f"[Errno 2] No such file or directory: '{ROOT}/{repo}/VirtualMachines/{vm}/vm.cfg'",
                "exceptions.IOError",
            )
        lines = (line.partition(" = ") for line in path.read_text().splitlines())
        return {name: ast.literal_eval(value) for name, _, value in lines}

    def _write(self, repo: str, vm: str, params: dict[str, Any]) -> None:
        for name, kind in NEEDED.items():
            if not isinstance(params.get(name), kind):  # type: ignore[arg-type]
                raise refuse(f"{name}", "exceptions.KeyError")
        folder = self._folder(repo, vm)
        folder.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{name} = {value!r}\n" for name, value in params.items())
        (folder / "vm.cfg").write_text(text)

    async def rpc_create_vm(self, repo: str, vm: str, params: dict[str, Any]) -> None:
        async with self.world.turn(self.machine.ip, vm):
            await self.world.beat()
            if (self._folder(repo, vm) / "vm.cfg").exists():
                raise refuse(f"Virtual machine already exists: {vm}")
            self._write(repo, vm, params)

    async def rpc_set_vm_config(self, repo: str, vm: str, params: dict[str, Any]) -> None:
        async with self.world.turn(self.machine.ip, vm):
            self._config(repo, vm)
            self._write(repo, vm, params)

    async def rpc_get_vm_config(self, repo: str, vm: str) -> dict[str, Any]:
        return self._config(repo, vm)

    async def rpc_start_vm(self, repo: str, vm: str) -> None:
        async with self.world.turn(self.machine.ip, vm):
            config = self._config(repo, vm)
            await self.world.beat()
            self.machine.run(_domain(vm, config))

    async def rpc_delete_vm(self, repo: str, vm: str) -> None:
        async with self.world.turn(self.machine.ip, vm):
            folder = self._folder(repo, vm)
            if not folder.exists():
                raise refuse(f"Virtual machine does not exist: {vm}")
            if vm in self.machine.domains:
                raise refuse(f"Virtual machine is running: {vm}")
            shutil.rmtree(folder)

    def _running(self, vm: str) -> Domain:
        domain = self.machine.domains.get(vm)
        if domain is None:
            raise xm("list", f"Error: Domain '{vm}' does not exist.")
        return domain

    async def rpc_stop_vm(self, repo: str, vm: str, force: bool) -> None:
        """Without force it waits until the guest has heeded, however long that takes."""
        if not force:
            domain = self._running(vm)
            while not domain.heeds or domain.state == "--p---":
                await asyncio.sleep(self.world.beat_s)
                if vm not in self.machine.domains:
                    return
            await asyncio.sleep(self.world.heed_s)
            if self.machine.domains.get(vm) is domain:
                del self.machine.domains[vm]
            return
        async with self.world.turn(self.machine.ip, vm):
            self._running(vm)
            await self.world.beat()
            self.machine.domains.pop(vm, None)

    async def rpc_reboot_vm(self, repo: str, vm: str, wait: int) -> None:
        async with self.world.turn(self.machine.ip, vm):
            domain = self._running(vm)
            await self.world.beat()
            domain.since_s = time.monotonic()

    async def rpc_pause_vm(self, repo: str, vm: str) -> None:
        async with self.world.turn(self.machine.ip, vm):
            self._running(vm).state = "--p---"

    async def rpc_unpause_vm(self, repo: str, vm: str) -> None:
        async with self.world.turn(self.machine.ip, vm):
            self._running(vm).state = "-b----"

    async def rpc_configure_vm(self, repo: str, vm: str, params: dict[str, Any]) -> None:
        """The file is changed, and what differs of disks and cards is plugged or unplugged."""
        async with self.world.turn(self.machine.ip, vm):
            self._config(repo, vm)
            domain = self.machine.domains.get(vm)
            if domain is not None:
                for line in params["disk"]:
                    if line not in domain.disks:
                        self.machine.check_disk(line)
                for line in params["vif"]:
                    self.machine.check_vif(line)
                await self.world.beat()
                domain.disks, domain.vifs = list(params["disk"]), list(params["vif"])
            self._write(repo, vm, params)

    async def rpc_migrate_vm(self, repo: str, vm: str, dest: str, live: bool, ssl: bool) -> None:
        async with self.world.turn(self.machine.ip, vm):
            domain = self._running(vm)
            target = self.world.machines.get(dest)
            if target is None:
                raise xm("migrate", "Error: (113, 'No route to host')")
            await self.world.beat()
            if vm not in self.machine.domains:
                raise xm("migrate", f"Error: Domain '{vm}' does not exist.")
            target.run(domain)
            del self.machine.domains[vm]


def _domain(vm: str, config: dict[str, Any]) -> Domain:
    frames = dict(one.partition("=")[::2] for one in config.get("vfb", [""])[0].split(","))
    return Domain(
        name=config["name"],
        uuid=vm,
        vcpus=config["vcpus"],
        memory_mib=int(config["memory"]),
        disks=list(config["disk"]),
        vifs=list(config["vif"]),
        password=frames.get("vncpasswd", ""),
    )


def _told(domain: Domain) -> dict[str, Any]:
    """As xend tells it: all numbers are text."""
    vbds = [
        {"uname": f"file:{image(one)}", "dev": _device(one), "mode": one.rsplit(",", 1)[-1]}
        for one in domain.disks
        if image(one)
    ]
    vifs = [dict(part.partition("=")[::2] for part in one.split(",")) for one in domain.vifs]
    frame = {
        "type": "vnc",
        "vnclisten": "0.0.0.0",
        "vncpasswd": domain.password,
        "location": f"0.0.0.0:{5900 + domain.number}",
    }
    return {
        "name": domain.name,
        "uuid": domain.uuid,
        "domid": str(domain.number),
        "vcpus": str(domain.vcpus),
        "online_vcpus": str(domain.vcpus),
        "memory": str(domain.memory_mib),
        "maxmem": str(domain.memory_mib),
        "state": domain.state,
        "cpu_time": f"{domain.cpu_s:.9f}",
        "description": "",
        "device": {"vbd": vbds, "vif": vifs, "vfb": [frame]},
    }


def _device(line: str) -> str:
    name = line.split(",")[1]
    return name if ":" in name else f"{name}:disk"


def _xml(name: str, inner: str) -> str:
    return f'<?xml version="1.0" ?><{name}>{inner}</{name}>'
