"""Bare metal: what serves machines while they boot, and hosts by their own command.

Machines are given addresses, boot scripts and images by the controllers themselves, from an
interface on the provisioning network. So a server is a physical network's interface here, which
the hosts of its zone take unless their URL names another; an appliance elsewhere is not driven.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

from api import records
from api.baremetal_hosts import KIND as HOST_KIND
from api.commands.host import AddHostCommand
from api.declare import Caller, Free, Idle, Job, Names, Page, Success, Wire, command
from api.errors import InvalidValue
from api.lists import Filter, cut, list_command
from api.urls import plain_url
from api.views.baremetal import BaremetalDhcpView, BaremetalPxeView, BaremetalRctView
from api.views.host import HostView
from projections.baremetal_service import DHCP, PXE, BaremetalService, baremetal_services
from projections.host import Host

KIND = "baremetal_service"
OURS = ("dnsmasq", "kick_start", "kickstart")
NO_LOGIN = Idle("the controllers serve it themselves, and log in nowhere")
Wires = Annotated[UUID, "the physical network", Names("physical_network", right="operate")]


async def _add(caller: Caller, wires: UUID, part: str, server_type: str, url: str) -> Job:
    """The one service of its part on a physical network: a second one takes its place."""
    fields: dict[str, Any] = _served_from(url) | {"server_type": server_type}
    for row in _served(caller, wires, part):
        return await records.update(caller, KIND, row.id, fields)
    fields |= {"physical_network_id": wires, "part": part}
    return await records.create(caller, KIND, fields)


def _served(caller: Caller, wires: UUID, part: str) -> list[BaremetalService]:
    rows = caller.cloud[baremetal_services].by("physical_network_id", wires)
    return [row for row in rows if row.part == part]


def _served_from(url: str) -> dict[str, Any]:
    parts = urlsplit(plain_url(url, "the controllers need none"))
    if parts.scheme != "interface" or not parts.netloc or parts.path.strip("/"):
        raise InvalidValue(
            "url names no interface of the controllers: they serve machines themselves, as in "
            "interface://br-prov. If another DHCP server is on that network, let it give out our "
            "boot script, and put dhcp=no into the hosts' URLs"
        )
    name, _, port = parts.netloc.partition(":")
    return {"interface": name, "port": int(port) if port.isdigit() else 0}


def _ours(name: str, server_type: str) -> str:
    if server_type.lower() not in OURS:
        raise InvalidValue(
            f"{name} {server_type[:40]!r} is not served here: it is Dnsmasq for DHCP and "
            "KICK_START for PXE, which the controllers run themselves"
        )
    return server_type


@command(
    "addBaremetalDhcp",
    returns=BaremetalDhcpView,
    key="baremetaldhcp",
    allow="A",
    is_async=True,
    action="PHYSICAL.DHCP.ADD",
)
class AddBaremetalDhcp:
    """Say from which interface of the controllers machines get their addresses.

    Hosts that are added to the zone from then on take it, unless their URL has `provision=`.
    """

    physical_network_id: Wires
    dhcp_server_type: Annotated[str, "Dnsmasq, which the controllers run"]
    url: Annotated[str, "the interface, as in interface://br-prov"]
    username: Annotated[str, "ignored", NO_LOGIN]
    password: Annotated[str, "ignored", NO_LOGIN]

    async def run(self, caller: Caller) -> Job:
        kind = _ours("dhcpservertype", self.dhcp_server_type)
        return await _add(caller, self.physical_network_id, DHCP, kind, self.url)


@command(
    "addBaremetalPxeKickStartServer",
    returns=BaremetalPxeView,
    key="baremetalpxeserver",
    envelope="addbaremetalpxeresponse",
    allow="A",
    is_async=True,
    action="PHYSICAL.PXE.ADD",
)
class AddBaremetalPxeKickStartServer:
    """Say from which interface and port of the controllers machines get what they boot.

    Kernels, initrds and answers come with templates of format TAR; there is no folder to fill.
    """

    physical_network_id: Wires
    pxe_server_type: Annotated[str, "KICK_START, which the controllers are"]
    url: Annotated[str, "the interface and the port, as in interface://br-prov:8087"]
    tftp_dir: Annotated[str, "ignored", Idle("what is booted comes with templates")]
    username: Annotated[str, "ignored", NO_LOGIN]
    password: Annotated[str, "ignored", NO_LOGIN]
    pod_id: Annotated[
        UUID | None, "ignored: it serves all pods of the zone", Names("pod", right="see")
    ] = None

    async def run(self, caller: Caller) -> Job:
        kind = _ours("pxeservertype", self.pxe_server_type)
        return await _add(caller, self.physical_network_id, PXE, kind, self.url)


@command(
    "addBaremetalPxePingServer",
    returns=BaremetalPxeView,
    key="baremetalpxeserver",
    envelope="addbaremetalpxeresponse",
    allow="A",
    is_async=True,
    action="PHYSICAL.PXE.ADD",
)
class AddBaremetalPxePingServer:
    """Refused: images of PING (Partimage Is Not Ghost) on a CIFS share are not written here."""

    physical_network_id: Wires
    pxe_server_type: Annotated[str, "PING"]
    url: Annotated[str, "the server"]
    tftp_dir: Annotated[str, "its folder"]
    ping_dir: Annotated[str, "the folder of images"]
    ping_storage_server_ip: Annotated[str, "the share's address"]
    username: Annotated[str, "who to be on it"]
    password: Annotated[str, "the password of that user"]
    ping_cifs_username: Annotated[str | None, "who to be on the share"] = None
    ping_cifs_password: Annotated[str | None, "the password of that user"] = None
    pod_id: Annotated[UUID | None, "the pod", Names("pod", right="see")] = None

    async def run(self, caller: Caller) -> Job:
        raise InvalidValue(
            "images of PING are not written here: register a whole-disk image (QCOW2, RAW, VMDK) "
            "or an installer (TAR) for BareMetal, and addBaremetalPxeKickStartServer"
        )


@list_command(
    "listBaremetalDhcp",
    view=BaremetalDhcpView,
    table=baremetal_services,
    key="baremetaldhcp",
    keyword=("interface",),
    scope="admin",
    allow="A",
)
class ListBaremetalDhcp:
    """List what gives machines their addresses."""

    physical_network_id: Annotated[
        UUID, "of this physical network", Names("physical_network", right="see")
    ]
    dhcp_server_type: Annotated[
        str | None,
        "of this type",
        Filter(test=lambda row, wanted: row.server_type.lower() == str(wanted).lower()),
    ] = None
    id: Annotated[
        UUID | None, "this one", Names(KIND, right="see"), Filter("id"), Wire(since="sagastack 0.1")
    ] = None

    def rows(self, caller: Caller) -> list[BaremetalService]:
        return _served(caller, self.physical_network_id, DHCP)


@list_command(
    "listBaremetalPxeServers",
    view=BaremetalPxeView,
    table=baremetal_services,
    key="baremetalpxeserver",
    keyword=("interface",),
    scope="admin",
    allow="A",
)
class ListBaremetalPxeServers:
    """List what gives machines what they boot."""

    physical_network_id: Annotated[
        UUID, "of this physical network", Names("physical_network", right="see")
    ]
    id: Annotated[
        UUID | None, "this one", Names(KIND, right="see"), Filter("id"), Wire(since="sagastack 0.1")
    ] = None

    def rows(self, caller: Caller) -> list[BaremetalService]:
        return _served(caller, self.physical_network_id, PXE)


@command(
    "addBaremetalHost",
    returns=HostView,
    key="host",
    shape="list",
    allow="A",
    action="HOST.CREATE",
)
class AddBaremetalHost(AddHostCommand):
    """Add a machine as a host: as addHost does with hypervisor=BareMetal."""

    ip_address: Annotated[
        str | None, "ignored", Idle("the controllers' DHCP gives a machine its address")
    ] = None

    async def run(self, caller: Caller) -> list[Host]:
        if self.hypervisor.lower() != HOST_KIND.lower():
            raise InvalidValue(
                f"hypervisor {self.hypervisor[:40]!r} is no bare metal: say BareMetal, or "
                "use addHost"
            )
        return await AddHostCommand.run(self, caller)


@command(
    "addBaremetalRct",
    returns=BaremetalRctView,
    key="baremetalrct",
    allow="A",
    is_async=True,
    action="BAREMETAL.RCT.ADD",
)
class AddBaremetalRct:
    """Refused: a rack configuration is for programming switches, and none is programmed here."""

    baremetal_rct_url: Annotated[str, "where it is"]

    async def run(self, caller: Caller) -> Job:
        raise InvalidValue(
            "no switch is programmed here, so a rack configuration has nobody to tell: set the "
            "VLANs of the machines' ports on the switches, and list the machines by addHost"
        )


@command(
    "deleteBaremetalRct",
    returns=Success,
    allow="A",
    is_async=True,
    action="BAREMETAL.RCT.DELETE",
)
class DeleteBaremetalRct:
    """Remove a rack configuration; there are none."""

    id: Annotated[UUID, "the configuration", Names("baremetal_rct", right="operate")]

    async def run(self, caller: Caller) -> Job:
        raise InvalidValue("there are no rack configurations here")


@command("listBaremetalRct", returns=BaremetalRctView, key="baremetalrct", shape="list", allow="A")
class ListBaremetalRct:
    """List rack configurations. There are none."""

    keyword: Annotated[str | None, "words in them"] = None
    page: Annotated[int | None, "which page"] = None
    pagesize: Annotated[int | None, "how many on a page"] = None

    async def run(self, caller: Caller) -> Page:
        return Page(0, cut([], self.page, self.pagesize, caller))


@command(
    "notifyBaremetalProvisionDone",
    returns=Success,
    envelope="baremetalprovisiondone",
    allow="A",
    is_async=True,
    action="BAREMETAL.PROVISION.DONE",
)
class NotifyBaremetalProvisionDone:
    """Refused: an installer says so itself, by the address that its answers are given."""

    mac: Annotated[str, "the machine's card", Free("it names no row of ours")]

    async def run(self, caller: Caller) -> Job:
        raise InvalidValue(
            "who knows a MAC address proves nothing: let the installer call {{done_url}}, which is "
            "filled in where its answers say so, and works for that installation alone"
        )
