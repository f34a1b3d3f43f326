"""`rrd_updates`: averages of each five seconds, of a host and of the VMs that are on it."""

from __future__ import annotations

from typing import Any

from tests.peers.xapi.calls import Context

STEP_S = 5
ROWS_MAX = 120
MIB = 1024**2


def rrd_updates(context: Context, query: dict[str, str]) -> dict[str, Any]:
    """One column a source and one row a step, the newest first; "NaN" where nothing is known."""
    world, host = context.world, context.host
    now = int(world.clock()) // STEP_S * STEP_S
    start = max(int(query.get("start", "0")) // STEP_S * STEP_S, now - ROWS_MAX * STEP_S)
    times = list(range(now, start, -STEP_S))
    columns: dict[str, tuple[float, float]] = {}
    if query.get("host") == "true":
        uuid = context.store.get("host", host)["uuid"]
        for name, value in (
            ("cpu_avg", 0.25), ("memory_total_kib", 16 * 1024**2), ("memory_free_kib", 8 * 1024**2),
            ("pif_aggr_rx", 1000.0), ("pif_aggr_tx", 500.0),
        ):  # fmt: skip
            columns[f"AVERAGE:host:{uuid}:{name}"] = (0.0, value)
    for vm in context.store.refs("VM", resident_on=host):
        record = context.store.get("VM", vm)
        if not record["is_control_domain"]:
            columns |= _of_vm(context, vm, record)
    data = [
        {
            "t": at,
            "values": [value if at > since else "NaN" for since, value in columns.values()],
        }
        for at in times
    ]
    return {
        "meta": {
            "start": start, "step": STEP_S, "end": now, "rows": len(data),
            "columns": len(columns), "legend": list(columns),
        },
        "data": data,
    }  # fmt: skip


def _of_vm(context: Context, vm: str, record: dict[str, Any]) -> dict[str, tuple[float, float]]:
    since, group = context.world.started[vm], f"AVERAGE:vm:{record['uuid']}"
    told: dict[str, tuple[float, float]] = {
        f"{group}:memory": (since, float(record["memory_dynamic_max"])),
        f"{group}:memory_internal_free": (since, record["memory_dynamic_max"] / 1024 / 4),
    }
    for number in range(record["VCPUs_at_startup"]):
        told[f"{group}:cpu{number}"] = (since, 0.5)
    for vbd in context.store.refs("VBD", VM=vm, currently_attached=True, empty=False):
        device = context.store.get("VBD", vbd)["device"]
        told[f"{group}:vbd_{device}_read"] = (since, 2.0 * MIB)
        told[f"{group}:vbd_{device}_write"] = (since, 1.0 * MIB)
        told[f"{group}:vbd_{device}_iops_read"] = (since, 20.0)
        told[f"{group}:vbd_{device}_iops_write"] = (since, 10.0)
    for vif in context.store.refs("VIF", VM=vm, currently_attached=True):
        device = context.store.get("VIF", vif)["device"]
        told[f"{group}:vif_{device}_rx"] = (since, 100.0)
        told[f"{group}:vif_{device}_tx"] = (since, 50.0)
    return told
