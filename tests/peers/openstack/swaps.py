"""A retype to another back end, of a volume at rest or of a server's, as Cinder and Nova share it.

Cinder has the new attachment before Nova has written down that the server goes by it: whoever
deletes the server in between has Nova let go of an attachment that is no more.
"""

from __future__ import annotations

import asyncio
from uuid import uuid4

from tests.peers.openstack.state import Region, Row, exact


async def retype(region: Region, volume: Row, kind: str, before: str) -> None:
    """What becomes of a volume that is `retyping`; what went wrong is known by its old type."""
    if region.retype_fault:
        told = {"id": str(uuid4()), "resource_uuid": volume["id"], "message_level": "ERROR",
                "user_message": region.retype_fault, "created_at": exact()}  # fmt: skip
        region.messages.insert(0, told)
        volume |= {"status": before, "migration_status": "error"}
    elif volume["attachments"]:
        await _swap(region, volume, kind, before)
    else:
        await _copy(region, volume, kind, before)


async def _copy(region: Region, volume: Row, kind: str, before: str) -> None:
    """By way of a second volume with the same marks, which ends as the first with the old bytes."""
    target = volume | {
        "id": str(uuid4()),
        "status": "available",
        "created_at": exact(),
        "migration_status": f"target:{volume['id']}",
    }
    region.volumes[target["id"]] = target
    await asyncio.sleep(region.retype_s)
    volume |= {"volume_type": kind, "status": before, "migration_status": "success"}
    target |= {"status": "deleting", "migration_status": "deleting", "created_at": ""}
    await asyncio.sleep(region.moment_s)
    region.volumes.pop(target["id"])


async def _swap(region: Region, volume: Row, kind: str, before: str) -> None:
    (attachment,) = volume["attachments"]
    server = region.servers[attachment["server_id"]]
    event: Row = {
        "event": "compute_swap_volume",
        "start_time": exact(),
        "finish_time": None,
        "result": None,
    }
    server["actions"].insert(0, action("swap_volume", events=[event]))
    async with region.turn_of(server["id"]):
        await asyncio.sleep(region.retype_s)
        anew = attachment | {"attachment_id": str(uuid4())}
        volume |= {
            "volume_type": kind,
            "status": before,
            "migration_status": "success",
            "attachments": [anew],
        }
        await region.swaps_recorded.wait()
        server["attachment_ids"][volume["id"]] = anew["attachment_id"]
        event |= {"finish_time": exact(), "result": "Success"}


def action(name: str, *, message: str | None = None, events: list[Row] | None = None) -> Row:
    """An instance action, as Nova keeps them."""
    return {
        "action": name,
        "request_id": f"req-{uuid4()}",
        "start_time": exact(),
        "message": message,
        "events": events or [],
    }
