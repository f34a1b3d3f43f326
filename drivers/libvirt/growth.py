"""More cores and memory for a guest that runs: cores come online, memory is plugged as modules."""

from __future__ import annotations

from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from drivers.contract.errors import Refused
from drivers.libvirt.client import Client, Connection
from drivers.libvirt.guests import running
from drivers.libvirt.translate import MEMORY_SLOTS, dimm_xml

LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
KIB = 1024


async def grow(
    client: Client, guest_id: UUID, cpu_count: int, memory_mib: int, *, shares: int
) -> None:
    """Grow to these sizes, or say why not before anything is touched. `shares` 0 leaves them."""

    def work(connection: Connection) -> None:
        domain = running(connection, guest_id, verb="growth")
        root = ET.fromstring(domain.XMLDesc(0))
        more_mib = memory_mib - int(root.findtext("memory", "0")) // KIB
        more_cores = cpu_count - domain.vcpusFlags(LIVE)
        _require_room(root, guest_id, cpu_count, more_cores, memory_mib, more_mib)
        if more_mib:
            domain.attachDeviceFlags(dimm_xml(more_mib), LIVE)
        if more_cores:
            domain.setVcpusFlags(cpu_count, LIVE)
        if shares:
            _weigh(domain, shares)

    await client.change(work, about=guest_id, doing=f"grow guest {guest_id}")


def _weigh(domain: Any, shares: int) -> None:
    """Where a host has no CPU cgroup, guests weigh all the same, as when they are started."""
    try:
        domain.setSchedulerParametersFlags({"cpu_shares": shares}, LIVE)
    except libvirt.libvirtError as error:
        if "cgroup" not in str(error):
            raise


def _require_room(
    root: Any, guest_id: UUID, cpu_count: int, more_cores: int, memory_mib: int, more_mib: int
) -> None:
    cores = int(root.findtext("vcpu", "0"))
    most_mib = int(root.findtext("maxMemory", "0")) // KIB
    modules = len(root.findall("devices/memory"))
    if more_cores < 0 or more_mib < 0:
        raise Refused(f"guest {guest_id} has more than that already: it does not shrink alive")
    if more_cores and cpu_count > cores:
        raise Refused(f"guest {guest_id} was started with room for {cores} cores: stop it first")
    if more_mib and (memory_mib > most_mib or modules >= MEMORY_SLOTS):
        raise Refused(
            f"guest {guest_id} was started with room for {most_mib} MiB in {MEMORY_SLOTS} modules, "
            f"of which {modules} are taken: stop it first"
        )
