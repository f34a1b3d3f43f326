"""A pool in a process of its own.

    python -m tests.peers.xapi FOLDER [--hosts 2] [--memory-gib 16] [--repository NAME ...]

It says on its first line, in JSON, where it is. It ends with its standard input, so that it does
not outlive who started it. A line there is answered by a line: `left` tells what is in the pool,
`vms` the guests, `file SR-UUID/VOLUME-ID` where a disk's bytes are; `down N` takes a host away.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.peers.xapi.world import HostPlan, World, serving


async def run(folder: Path, hosts: int, memory_gib: int, repositories: list[str]) -> None:
    plan = [HostPlan(f"xen{number}", memory_gib) for number in range(1, hosts + 1)]
    async with serving(folder, plan) as world:
        for name in repositories:
            world.add_sr(name, gib=64)
        world.add_sr("discs", kind="iso", content="iso", gib=4)
        master = world.hosts[0]
        address = f"xapi://{world.address(master)}:{world.port}"
        _say({
            "url": f"{address}?pin={world.pin(master)}", "plain": address,
            "pin": world.pin(master), "username": "root", "password": world.users["root"],
            "hosts": [world.store.get("host", one)["uuid"] for one in world.hosts],
        })  # fmt: skip
        while line := await asyncio.to_thread(sys.stdin.readline):
            _say(_answer(world, line.split()))


def _answer(world: World, words: list[str]) -> Any:
    match words:
        case ["left"]:
            return world.left_over()
        case ["vms"]:
            return {
                record["name_label"]: record["power_state"]
                for record in world.records("VM").values()
                if not record["is_a_template"] and not record["is_control_domain"]
            }
        case ["file", path]:
            return str(file_of(world, path))
        case ["down", number]:
            assert world.server is not None
            world.server.host_down(world.hosts[int(number)])
            return True
    return None


def file_of(world: World, path: str) -> Path:
    """Where the bytes are of what a driver calls so: by what it has written on VDIs."""
    sr_uuid, *_, thing = path.split("/")
    store = world.store
    found = []
    for ref in store.refs("VDI", SR=store.by_uuid("SR", sr_uuid)):
        record = store.get("VDI", ref)
        lines = record["other_config"]
        if lines.get("sagastack-id") == thing and lines.get("sagastack-self") == record["uuid"]:
            found.append((int(lines.get("sagastack-generation", "0")), ref))
    assert found, f"the peer has no {path}"
    return world.file(max(found)[1])


def _say(what: Any) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hosts", type=int, default=2)
    parser.add_argument("--memory-gib", type=int, default=16)
    parser.add_argument("--repository", action="append", default=[])
    given = parser.parse_args()
    asyncio.run(
        run(given.folder, given.hosts, given.memory_gib, given.repository or ["one", "two"])
    )
