"""Datacentres of vCenters: one stays while a host of its zone comes from it."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from aggregates.errors import InUse
from aggregates.vmware_dc import VmwareDc
from engine.decide import Desk
from engine.decisions.record import farewell
from projections.host import Host, hosts


def is_of(host: Host, vcenter: str, name: str) -> bool:
    """Whether a host is reached through this datacentre: its URL says so."""
    parts = urlsplit(host.url)
    first = parts.path.lstrip("/").split("/")[0]
    return (
        parts.scheme == "vsphere"
        and parts.netloc.lower() == vcenter.lower()
        and unquote(first) == name
    )


@farewell("vmware_dc")
def hosts_go_first(row: VmwareDc, desk: Desk) -> None:
    for host in desk.cloud[hosts].by("zone_id", row.zone_id):
        if is_of(host, row.vcenter, row.name):
            raise InUse(
                f"datacentre {row.name} of vCenter {row.vcenter} is in use by host {host.name}: "
                "remove that first"
            )
