"""The cluster as a process of its own: `python -m tests.peers.proxmox FOLDER`.

It tells where it is, and then answers words on its standard input with JSON, until that ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.peers.proxmox import TOKEN, World, serving


def answer(world: World, words: list[str]) -> Any:
    match words:
        case ["running"]:
            return {
                vm.config["name"]: vm.node
                for vm in world.vms.values()
                if vm.running and not vm.lock
            }
        case ["config", name]:
            found = [vm.config for vm in world.vms.values() if vm.config.get("name") == name]
            return found[0] if found else {}
        case ["file", tag]:
            return str(world.file(tag))
        case ["left"]:
            return world.left()
    raise SystemExit(f"what is {words}?")


async def main(folder: Path) -> None:
    async with serving(folder) as world:
        url = f"https://127.0.0.1:{world.port}/"
        told = {"plain": url, "url": f"{url}?pin={world.pin}", "username": TOKEN[0],
                "password": TOKEN[1]}  # fmt: skip
        print(json.dumps(told), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(answer(world, line.split())), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
