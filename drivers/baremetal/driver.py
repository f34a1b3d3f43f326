"""Machines without a hypervisor: `BareMetal` on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from drivers.baremetal import settings as reading
from drivers.baremetal.address import NodeAddress, parse, with_path
from drivers.baremetal.agent_files import AgentFiles
from drivers.baremetal.bmc import Bmc
from drivers.baremetal.cannot import CANNOT
from drivers.baremetal.cards import Cards
from drivers.baremetal.dhcp import Dhcp
from drivers.baremetal.images import FORMATS, Images
from drivers.baremetal.ipmi import IpmiBmc
from drivers.baremetal.node import Node
from drivers.baremetal.provision import IPXE, Provision
from drivers.baremetal.redfish import Service
from drivers.baremetal.redfish_bmc import RedfishBmc
from drivers.baremetal.session import BareMetalSession
from drivers.baremetal.settings import Settings
from drivers.contract.compute import HostAddress
from drivers.contract.driver import Capabilities, Driver, HostSession
from drivers.contract.errors import Refused
from drivers.kit.tls import Trust, split_pin, with_pin

KIND = "BareMetal"
START_S = 12 * 3600.0
"""More than any takes: what is waited for (wipes, `boot_s`, `install_s`) has limits of its own."""


class BareMetalDriver:
    """Connects to machines. All sessions with one machine share what is known of it."""

    kind = KIND
    capabilities = Capabilities(
        max_guests_per_host=1,
        whole_host=True,
        image_formats=FORMATS,
        start_s=START_S,
        pool_types=MappingProxyType({"disk": "Filesystem"}),
        cannot=CANNOT,
    )

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cards = Cards(settings.state / "nodes")
        self._images = Images(settings.state / "images")
        self._files = AgentFiles(settings.agent)
        self._provisions: dict[tuple[str, int], Provision] = {}
        self._nodes: dict[str, Node] = {}
        self._sessions: set[BareMetalSession] = set()

    async def discover(self, address: HostAddress) -> tuple[HostAddress, ...]:
        """A Redfish service's systems, each with the MAC of its first card; one is just itself."""
        plain, trust = split_pin(address.url)
        at = parse(_at(address, plain))
        if not at.is_redfish or at.path:
            return (address,)
        service = self._service(at, trust)
        try:
            systems = await RedfishBmc(at, service).systems()
            if len(systems) <= 1:
                return (address,)
            found = []
            for path in systems:
                mac = await _first_mac(service, path)
                one = with_path(_at(address, plain), path, mac)
                found.append(_at(address, with_pin(one.url, trust)))
            return tuple(found)
        finally:
            await service.close()

    async def connect(self, address: HostAddress) -> HostSession:
        plain, trust = split_pin(address.url)
        at = replace(parse(_at(address, plain)), pin=trust.pin)
        node = self._nodes.get(at.node)
        if node is None or node.address != at:
            node = await self._reach(at, trust)
        else:
            await node.bmc.is_on()
            await node.register()
        session = BareMetalSession(node, self._images, self._sessions.discard)
        self._sessions.add(session)
        return session

    async def close(self) -> None:
        self._sessions.clear()
        for node in self._nodes.values():
            await node.bmc.close()
        self._nodes.clear()
        for provision in self._provisions.values():
            await provision.close()
        self._provisions.clear()

    async def _reach(self, at: NodeAddress, trust: Trust) -> Node:
        """A machine that is new to us, or has another address or password now."""
        bmc: Bmc = RedfishBmc(at, self._service(at, trust)) if at.is_redfish else IpmiBmc(at)
        try:
            await bmc.is_on()
            node = Node(at, bmc, self._cards, self._provision(at), self._files, self._settings)
            await node.register()
        except BaseException:
            await bmc.close()
            raise
        before = self._nodes.get(at.node)
        if before is not None:
            before.unregister()
            await node.register()
            await before.bmc.close()
        self._nodes[at.node] = node
        return node

    def _service(self, at: NodeAddress, trust: Trust) -> Service:
        return Service(at, trust, self._settings.call_s)

    def _provision(self, at: NodeAddress) -> Provision:
        key = (at.provision, at.http_port)
        if key not in self._provisions:
            folder = self._settings.state / f"provision-{at.provision}"
            dhcp = Dhcp(at.provision, folder, IPXE) if at.dhcp else None
            self._provisions[key] = Provision(*key, self._files.folder, dhcp)
        return self._provisions[key]


async def _first_mac(service: Service, path: str) -> str:
    """The MAC of a system's first network card that has one."""
    link = ((await service.get(path)).get("EthernetInterfaces") or {}).get("@odata.id")
    for one in await service.members(link) if link else ():
        mac = str((await service.get(one)).get("MACAddress") or "").lower()
        if mac:
            return mac
    raise Refused(
        f"{service.name} tells no MAC address of {path}: add that system by its own URL, with mac="
    )


def _at(address: HostAddress, url: str) -> HostAddress:
    return HostAddress(
        url=url,
        username=address.username,
        password=address.password,
        private_key=address.private_key,
    )


def make_all(settings: Mapping[str, str]) -> tuple[Driver, ...]:
    """The one kind, set up as `drivers.baremetal.settings.Settings` describes."""
    return (BareMetalDriver(reading.read(settings)),)
