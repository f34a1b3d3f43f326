"""What serves bare-metal machines: an interface of the controllers', which hosts take."""

from __future__ import annotations

from typing import Any

import pytest
from cs import CloudStackApiException

from sagastack.face import Face
from tests.tenant.world import POD, WIRES, ZONE, Place

LOGIN = {"username": "u", "password": "p"}
DHCP = {"dhcpservertype": "Dnsmasq", "physicalnetworkid": str(WIRES), **LOGIN}
PXE = {
    "pxeservertype": "KICK_START",
    "physicalnetworkid": str(WIRES),
    "tftpdir": "/tftpboot",
    **LOGIN,
}


async def refused(here: Place, command: str, **asked: Any) -> str:
    with pytest.raises(CloudStackApiException) as why:
        await here.admin(command, **asked)
    return str(why.value.error)


async def test_what_serves_a_physical_network_is_said_once_and_listed(here: Place) -> None:
    told = await here.admin.job("addBaremetalDhcp", url="interface://br-old", **DHCP)
    again = await here.admin.job("addBaremetalDhcp", url="interface://br-prov", **DHCP)
    first, second = told["baremetaldhcp"], again["baremetaldhcp"]
    assert (first["id"], second["url"]) == (second["id"], "interface://br-prov")
    await here.admin.job("addBaremetalPxeKickStartServer", url="interface://br-prov:8099", **PXE)
    found = await here.admin.one("listBaremetalDhcp", "baremetaldhcp", physicalnetworkid=str(WIRES))
    assert found["dhcpservertype"] == "Dnsmasq" and found["id"] == second["id"]
    pxe = await here.admin.one(
        "listBaremetalPxeServers", "baremetalpxeserver", physicalnetworkid=str(WIRES)
    )
    assert pxe["url"] == "interface://br-prov:8099"
    asked = {"dhcpservertype": "Dhcpd", "physicalnetworkid": str(WIRES)}
    assert not (await here.admin("listBaremetalDhcp", **asked)).get("baremetaldhcp")


async def test_a_host_without_an_interface_takes_its_zones(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await here.admin.job("addBaremetalDhcp", url="interface://br-prov", **DHCP)
    await here.admin.job("addBaremetalPxeKickStartServer", url="interface://br-prov:8099", **PXE)
    seen: list[str] = []

    async def discover(
        self: Face, kind: str, url: str, username: str, password: str
    ) -> tuple[str, ...]:
        seen.append(url)
        return (url,)

    monkeypatch.setattr(Face, "discover", discover)
    where = {"zoneid": str(ZONE), "podid": str(POD)}
    url = "ipmi://127.0.0.1:9/?mac=52:54:00:00:00:01"
    for command in ("addHost", "addBaremetalHost"):
        asked = {"hypervisor": "BareMetal", "clustername": "metal", **where}
        assert (await here.admin(command, url=url, dryrun="true", **asked))["dryrun"] is True
    assert seen == [f"{url}&provision=br-prov&http=8099"] * 2
    why = await refused(
        here, "addBaremetalHost", url=url, hypervisor="KVM", clustername="x", **where
    )
    assert "is no bare metal" in why


async def test_what_cannot_be_true_is_refused_with_a_remedy(here: Place) -> None:
    wires = {"physicalnetworkid": str(WIRES)}
    for url in ("http://192.0.2.1", "interface://", "interface://a-name-that-is-too-long-for-one"):
        why = await refused(here, "addBaremetalDhcp", url=url, **DHCP)
        assert "interface://br-prov" in why, why
    other = DHCP | {"dhcpservertype": "Dhcpd"}
    why = await refused(here, "addBaremetalDhcp", url="interface://br-prov", **other)
    assert "Dnsmasq for DHCP" in why
    why = await refused(
        here, "addBaremetalPxePingServer", url="http://x", pxeservertype="PING", pingdir="/p",
        tftpdir="/t", pingstorageserverip="192.0.2.1", **wires, **LOGIN,
    )  # fmt: skip
    assert "register a whole-disk image" in why
    why = await refused(here, "addBaremetalRct", baremetalrcturl="http://x/rct.json")
    assert "set the VLANs" in why
    assert "done_url" in await refused(
        here, "notifyBaremetalProvisionDone", mac="52:54:00:00:00:01"
    )
    assert not (await here.admin("listBaremetalRct")).get("baremetalrct")
    assert not (await here.admin("listBaremetalDhcp", **wires)).get("baremetaldhcp")


async def test_it_goes_with_its_physical_network(here: Place) -> None:
    zone = (await here.admin("listZones"))["zone"][0]["id"]
    made = await here.admin.job("createPhysicalNetwork", zoneid=zone, name="more")
    wires = made["physicalnetwork"]["id"]
    asked = DHCP | {"physicalnetworkid": wires}
    await here.admin.job("addBaremetalDhcp", url="interface://br-prov", **asked)
    await here.admin.job("deletePhysicalNetwork", id=wires)
