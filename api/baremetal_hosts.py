"""A bare-metal host's URL, completed by what its zone's physical networks say of their machines."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from api.caller import Caller
from api.errors import InvalidValue
from projections.baremetal_service import DHCP, PXE, BaremetalService, baremetal_services
from projections.physical_network import physical_networks

KIND = "BareMetal"
SCHEMES = ("ipmi", "redfish", "redfish+http")


def completed(caller: Caller, zone_id: UUID, url: str) -> str:
    """The URL with `provision=` and `http=`, where it does not say them itself."""
    parts = urlsplit(url)
    said = parse_qs(parts.query, keep_blank_values=True)
    if parts.scheme not in SCHEMES or "provision" in said:
        return url
    dhcp = _of(caller, zone_id, DHCP)
    if not dhcp:
        return url
    if len(dhcp) > 1:
        names = ", ".join(sorted(one.interface for one in dhcp))
        raise InvalidValue(f"url must say which interface serves the machine: provision= {names}")
    more = [f"provision={dhcp[0].interface}"]
    ports = [one.port for one in _of(caller, zone_id, PXE) if one.interface == dhcp[0].interface]
    if ports and ports[0] and "http" not in said:
        more.append(f"http={ports[0]}")
    path = parts.path or "/"
    query = "&".join([*filter(None, (parts.query,)), *more])
    return f"{parts.scheme}://{parts.netloc}{path}?{query}"


def _of(caller: Caller, zone_id: UUID, part: str) -> list[BaremetalService]:
    cloud = caller.cloud
    return [
        one
        for wires in cloud[physical_networks].by("zone_id", zone_id)
        for one in cloud[baremetal_services].by("physical_network_id", wires.id)
        if one.part == part
    ]
