"""What a host says of itself. Its memory is what guests may have: the control domain's is not."""

from __future__ import annotations

from typing import Any

from drivers.contract.compute import HostFacts
from drivers.contract.errors import Unavailable
from drivers.xapi.client import Line
from drivers.xapi.marks import Record

MHZ_UNKNOWN = 1000
CAPABILITIES = ("hvm", "disk_hot_plug", "nic_hot_plug", "live_migration", "storage_migration")


async def live(line: Line, host_uuid: str) -> str:
    """The host's reference. Unavailable: the master no longer hears of it.

    Its guests are still in the master's books then, but nobody knows what they do.
    """
    host = await line.host(host_uuid)
    if not await line.call("host_metrics.get_live", await line.call("host.get_metrics", host)):
        name = await line.call("host.get_name_label", host)
        raise Unavailable(
            f"host {name} does not answer its pool's master: see to it; if it is dead for good, "
            "say so there (xe host-declare-dead)"
        )
    return host


async def learn(line: Line, host_uuid: str) -> HostFacts:
    host = await live(line, host_uuid)
    record = await line.call("host.get_record", host)
    metrics = await line.call("host_metrics.get_record", record["metrics"])
    query = f'field "resident_on" = "{host}" and field "is_control_domain" = "true"'
    doms: dict[str, Record] = await line.call("VM.get_all_records_where", query)
    own = sum(int(one["memory_dynamic_max"]) for one in doms.values())
    software = record["software_version"]
    pools: dict[str, Any] = await line.call("pool.get_all_records")
    pool = next(iter(pools.values()))
    is_master = pool["master"] == host
    name = pool["name_label"] or "without a name"
    return HostFacts(
        hardware_id=record["uuid"],
        name=record["name_label"],
        hypervisor_version=software.get("product_version", software.get("xapi", "unknown")),
        cpu_count=int(record["cpu_info"].get("cpu_count", "0")) or 1,
        cpu_mhz=int(float(record["cpu_info"].get("speed", "0"))) or MHZ_UNKNOWN,
        memory_bytes=int(metrics["memory_total"]) - int(record["memory_overhead"]) - own,
        accelerated=True,
        capabilities=CAPABILITIES,
        detail=f"{software.get('product_brand', 'XenServer')}, "
        f"{'master' if is_master else 'member'} of the pool {name}",
    )
