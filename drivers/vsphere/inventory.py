"""Where things are in a vCenter: hosts, datastores, port groups and folders, by their names.

What is found is kept for the life of the connection, except what people may change at any time:
an object that is gone is looked for again by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote
from uuid import UUID

from drivers.contract.compute import NicSpec
from drivers.contract.errors import Refused, Unavailable
from drivers.contract.storage import PoolSpec
from drivers.vsphere import notes
from drivers.vsphere.address import Place, pool_names
from drivers.vsphere.client import Vcenter
from drivers.vsphere.machines import SEEN, Machine
from drivers.vsphere.notes import Note
from drivers.vsphere.sdk import Managed, vim
from drivers.vsphere.tasks import Tasks

HELD = (notes.PATH, "config.instanceUuid", "runtime.powerState", "name", "runtime.host")


@dataclass(frozen=True, slots=True)
class Datacenter:
    """`path` is how file access names it: its folders and its name."""

    ref: Managed
    name: str
    path: str
    machines: Managed


@dataclass(frozen=True, slots=True)
class Esx:
    """A host, the pool of its cluster, and the machines' folder of its datacenter."""

    ref: Managed
    name: str
    datacenter: Datacenter
    resources: Managed
    cluster: Managed


@dataclass(frozen=True, slots=True)
class Store:
    """A datastore as one pool of ours: what is ours in it lies below `folder`."""

    ref: Managed
    name: str
    datacenter: Datacenter
    browser: Managed
    folder: str

    def path(self, *parts: str) -> str:
        return f"[{self.name}] {'/'.join((self.folder, *parts))}"


class Inventory:
    """One vCenter's objects by name."""

    def __init__(self, vcenter: Vcenter, tasks: Tasks) -> None:
        self._vcenter, self._tasks = vcenter, tasks
        self._datacenters: dict[str, Datacenter] = {}
        self._stores: dict[str, Store] = {}
        self._views: dict[str, tuple[int, Managed]] = {}

    async def datacenter(self, name: str) -> Datacenter:
        if name not in self._datacenters:
            doing = f"look for datacenter {name}"
            found = await self._named(vim.Datacenter, name, self._vcenter.content.rootFolder, doing)
            if found is None:
                raise Refused(f"{self._vcenter.place.server} has no datacenter {name}")
            root = self._vcenter.content.rootFolder
            self._datacenters[name] = await self._vcenter.read(
                lambda: _datacenter(found, name, root), doing=doing
            )
        return self._datacenters[name]

    async def clusters(self, place: Place) -> list[str]:
        """The names of a datacenter's clusters, and of hosts that stand alone; in any folder."""
        datacenter = await self.datacenter(place.datacenter)
        doing = f"look for the clusters of {place.datacenter}"

        def search() -> list[str]:
            manager = self._vcenter.content.viewManager
            top = datacenter.ref.hostFolder
            view = manager.CreateContainerView(top, [vim.ComputeResource], True)
            try:
                along = ((vim.view.ContainerView, "view"),)
                found = self._vcenter.walk(vim.ComputeResource, ("name",), [view], along)
                return [unquote(one.get("name", "")) for one in found]
            finally:
                view.DestroyView()

        return await self._vcenter.read(search, doing=doing)

    async def hosts(self, place: Place) -> dict[str, Esx]:
        """Every host of a cluster by its name."""
        datacenter = await self.datacenter(place.datacenter)
        doing = f"look for cluster {place.cluster}"
        start = await self._vcenter.read(lambda: datacenter.ref.hostFolder, doing=doing)
        cluster = await self._named(vim.ComputeResource, place.cluster, start, doing)
        if cluster is None:
            raise Refused(
                f"datacenter {place.datacenter} of {place.server} has no cluster {place.cluster}"
            )
        resources = await self._vcenter.read(lambda: cluster.resourcePool, doing=doing)
        found = await self._vcenter.properties(
            vim.HostSystem, ("name",), start=cluster,
            along=((vim.ComputeResource, "host"),), doing=f"list the hosts of {place.cluster}",
        )  # fmt: skip
        return {
            one.get("name"): Esx(one.ref, one.get("name"), datacenter, resources, cluster)
            for one in found
        }

    async def host(self, place: Place) -> Esx:
        there = await self.hosts(place)
        if place.esx not in there:
            known = ", ".join(sorted(there)) or "none"
            raise Refused(
                f"cluster {place.cluster} of {place.server} has no host {place.esx!r}, only {known}"
            )
        return there[place.esx]

    async def store(self, pool: PoolSpec) -> Store:
        """The datastore of a pool. Refused: there is none of this name."""
        if pool.url not in self._stores:
            where, name = pool_names(pool)
            datacenter = await self.datacenter(where)
            found = await self._vcenter.properties(
                vim.Datastore, ("name", "browser"), start=datacenter.ref,
                along=((vim.Datacenter, "datastore"),), doing=f"look for datastore {name}",
            )  # fmt: skip
            mine = [one for one in found if one.get("name") == name]
            if not mine:
                known = ", ".join(sorted(one.get("name", "?") for one in found)) or "none"
                raise Refused(f"datacenter {where} has no datastore {name!r}: it has {known}")
            folder = f"{self._vcenter.settings.folder}/{pool.pool_id}"
            browser = mine[0].get("browser")
            self._stores[pool.url] = Store(mine[0].ref, name, datacenter, browser, folder)
        known_ = self._stores[pool.url]
        folder = f"{self._vcenter.settings.folder}/{pool.pool_id}"
        return Store(known_.ref, known_.name, known_.datacenter, known_.browser, folder)

    async def store_named(self, datacenter: Datacenter, name: str) -> Store:
        """A datastore by its name, for paths that name it; nothing of a pool's is known of it."""
        url = f"vmfs://{quote(datacenter.name, safe='')}/{quote(name, safe='')}"
        return await self.store(PoolSpec(pool_id=UUID(int=0), url=url))

    async def store_of(self, datacenter: Datacenter, path: str) -> Store:
        """The datastore that a path names."""
        name = path[1:].split("]", 1)[0]
        if not path.startswith("[") or not name:
            raise Refused(f"{path!r} is no path on a datastore")
        return await self.store_named(datacenter, name)

    async def machine(self, guest_id: UUID, datacenter: Datacenter) -> Machine | None:
        """The machine of a guest, by its instance UUID: one question, however many there are."""
        found = await self._vcenter.read(
            lambda: self._vcenter.content.searchIndex.FindByUuid(
                datacenter.ref, str(guest_id), True, True
            ),
            doing=f"look for guest {guest_id}",
        )
        return None if found is None else await self.look(found)

    async def look(self, ref: Managed) -> Machine | None:
        """A machine as it is now; None if it is gone."""
        found = await self._vcenter.properties(
            vim.VirtualMachine, SEEN, start=ref, doing="look at a machine"
        )
        return Machine(ref, found[0]) if found else None

    async def noted(self, datacenter: Datacenter) -> list[tuple[Machine, Note]]:
        """Every machine of a datacenter that bears a note of ours, without its devices."""
        doing = "look through the notes on machines"
        view = await self._vcenter.read(lambda: self._view(datacenter), doing=doing)
        found = await self._vcenter.properties(
            vim.VirtualMachine, HELD, start=view,
            along=((vim.view.ContainerView, "view"),), doing=doing,
        )  # fmt: skip
        seen = [Machine(one.ref, one) for one in found]
        return [(one, note) for one in seen if (note := one.note) is not None]

    def _view(self, datacenter: Datacenter) -> Managed:
        """A view ends with the session that made it."""
        logins, view = self._views.get(datacenter.name, (-1, None))
        if logins != self._vcenter.logins:
            logins = self._vcenter.logins
            view = self._vcenter.content.viewManager.CreateContainerView(
                datacenter.machines, [vim.VirtualMachine], True
            )
            self._views[datacenter.name] = (logins, view)
        return view

    async def folder(self, datacenter: Datacenter, labels: Mapping[str, str]) -> Managed:
        """The folder of a tenant's machines, below our own; it is made when it is first needed."""
        names = [self._vcenter.settings.folder]
        names += [labels["account"]] if labels.get("account") else []
        return await self._vcenter.change(
            lambda: _folder(datacenter.machines, names), doing="make the tenant's folder"
        )

    async def network(self, esx: Esx, nic: NicSpec) -> Any:
        """The backing of a card. `bridge` names a port group, or a switch to make one on.

        What CloudStack writes behind the name (`dvSwitch1,,vmwaredvs`) is seen at the vCenter.
        """
        label = (nic.bridge or self._vcenter.settings.network).split(",")[0].strip()
        found = await self._vcenter.properties(
            vim.Network, ("name",), start=esx.ref,
            along=((vim.HostSystem, "network"),), doing="list the networks",
        )  # fmt: skip
        nets = {unquote(one.get("name", "")): one.ref for one in found}
        if nic.vlan is None and not label:
            label = _default(nets, esx)
        if nic.vlan is not None or label not in nets:
            switch, vlan = label or "vSwitch0", nic.vlan or 0
            label = f"{switch}.{vlan or 'untagged'}"
            if label not in nets:
                nets[label] = await self._made_port_group(esx, switch, vlan, label, sorted(nets))
        return await self._vcenter.read(
            lambda: _backing(nets[label], label), doing=f"look at network {label}"
        )

    async def _made_port_group(
        self, esx: Esx, switch: str, vlan: int, name: str, known: list[str]
    ) -> Managed:
        """Refused: there is neither a port group nor a switch of this name."""
        doing = f"make port group {name}"
        try:
            await self._port_group(esx, switch, vlan, name, doing)
        except Refused as error:
            if isinstance(error.__cause__, vim.fault.NotFound):
                raise Refused(
                    f"host {esx.name} has neither a network nor a switch {switch!r}: its networks "
                    f"are {', '.join(known) or 'none'}"
                ) from error
            raise
        return await self._vcenter.read(lambda: _network(esx, name), doing=doing)

    async def _port_group(self, esx: Esx, switch: str, vlan: int, name: str, doing: str) -> None:
        """On a distributed switch of that name, or else on the host's own switch."""
        start = await self._vcenter.read(lambda: esx.datacenter.ref.networkFolder, doing=doing)
        dvs = await self._named(vim.DistributedVirtualSwitch, switch, start, doing)
        if dvs is None:
            spec = vim.host.PortGroup.Specification(
                name=name, vlanId=vlan, vswitchName=switch, policy=vim.host.NetworkPolicy()
            )
            with suppress_exists():
                await self._vcenter.change(
                    lambda: esx.ref.configManager.networkSystem.AddPortGroup(spec), doing=doing
                )
            return
        switches = vim.dvs.VmwareDistributedVirtualSwitch
        tag = switches.VlanIdSpec(inherited=False, vlanId=vlan)
        config = vim.dvs.DistributedVirtualPortgroup.ConfigSpec(
            name=name,
            numPorts=8,
            type="earlyBinding",
            autoExpand=True,
            defaultPortConfig=switches.VmwarePortConfigPolicy(vlan=tag),
        )
        with suppress_exists():
            await self._tasks.run(
                lambda: dvs.AddDVPortgroup_Task([config]), about=UUID(int=vlan), doing=doing
            )

    async def _named(self, kind: Any, name: str, start: Managed, doing: str) -> Managed | None:
        """An object of a kind by its name, at any depth below `start`."""

        def search() -> Managed | None:
            manager = self._vcenter.content.viewManager
            view = manager.CreateContainerView(start, [kind], True)
            try:
                along = ((vim.view.ContainerView, "view"),)
                for one in self._vcenter.walk(kind, ("name",), [view], along):
                    if unquote(one.get("name", "")) == name:
                        return one.ref
                return None
            finally:
                view.DestroyView()

        return await self._vcenter.read(search, doing=doing)


class suppress_exists(suppress):
    """Let a port group be there already: somebody else has just made the same."""

    def __init__(self) -> None:
        super().__init__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        cause = getattr(error, "__cause__", None)
        return isinstance(cause, vim.fault.AlreadyExists | vim.fault.DuplicateName)


def _datacenter(ref: Managed, name: str, root: Managed) -> Datacenter:
    """In a thread: its path is that of the folders below the root of all, which has no name."""
    names, above = [name], ref.parent
    while above._moId != root._moId:
        names.insert(0, above.name)
        above = above.parent
    return Datacenter(ref, name, "/".join(names), ref.vmFolder)


def _folder(top: Managed, names: list[str]) -> Managed:
    """In a thread: one folder below the other; whoever makes it first makes it for all."""
    at = top
    for name in names:
        there = _child(at, name)
        if there is None:
            try:
                there = at.CreateFolder(name)
            except vim.fault.DuplicateName as taken:
                there = taken.object
        at = there
    return at


def _child(folder: Managed, name: str) -> Managed | None:
    for one in folder.childEntity:
        if isinstance(one, vim.Folder) and one.name == name:
            return one
    return None


def _network(esx: Esx, name: str) -> Managed:
    """In a thread: a network that has just been made."""
    for one in esx.ref.network:
        if unquote(one.name) == name:
            return one
    raise Unavailable(f"port group {name} is not seen by host {esx.name} yet")


def _default(nets: Mapping[str, Managed], esx: Esx) -> str:
    """The network that ESXi brings along, or else the first."""
    plain = sorted(name for name, ref in nets.items() if not _is_uplink(ref, name))
    if not plain:
        raise Refused(f"host {esx.name} has no network to plug a card into")
    return "VM Network" if "VM Network" in plain else plain[0]


def _is_uplink(ref: Managed, name: str) -> bool:
    return isinstance(ref, vim.dvs.DistributedVirtualPortgroup) and "uplink" in name.lower()


def _backing(ref: Managed, name: str) -> Any:
    """In a thread: how a card is plugged into a port group, plain or distributed."""
    card = vim.vm.device.VirtualEthernetCard
    if isinstance(ref, vim.dvs.DistributedVirtualPortgroup):
        config = ref.config
        port = vim.dvs.PortConnection(
            portgroupKey=ref.key, switchUuid=config.distributedVirtualSwitch.uuid
        )
        return card.DistributedVirtualPortBackingInfo(port=port)
    return card.NetworkBackingInfo(deviceName=name, network=ref)
