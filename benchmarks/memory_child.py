"""A controller on a log that is there already: how much memory it takes, and what takes it.

Run by `memory`: it starts, says what is resident, serves every guest once so that its answers are
kept, says it again, and walks over all that is alive.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import resource
import sys
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from api.memo import Memo
from benchmarks.lists import signed
from projections.cloud import Cloud
from sagastack.boot import Controller, controller
from sagastack.settings import Settings

PAGE = 500
DEADLINE_S = 300.0


def resident_bytes() -> int:
    """What the kernel has given to this process, without what is only kept for later."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


async def serve_all(cloud: Controller) -> int:
    """List every guest, a page at a time; how many there were."""
    keys, count, page = await cloud.credentials(), 0, 1
    async with aiohttp.ClientSession() as session:
        while True:
            url = signed(cloud, keys, listall="true", page=str(page), pagesize=str(PAGE))
            async with session.get(url) as answer:
                told = json.loads(await answer.read())
            found = told["listvirtualmachinesresponse"].get("virtualmachine", [])
            count, page = count + len(found), page + 1
            if len(found) < PAGE:
                return count


class Walk:
    """Adds up what objects take, each once, however many hold it."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def of(self, root: Any) -> int:
        total, waiting, seen = 0, [root], self._seen
        while waiting:
            one = waiting.pop()
            if id(one) in seen or isinstance(one, type | Enum):
                continue
            seen.add(id(one))
            total += sys.getsizeof(one)
            waiting.extend(_parts(one))
        return total


def _parts(one: Any) -> Iterable[Any]:
    if isinstance(one, dict):
        return (*one.keys(), *one.values())
    if isinstance(one, list | tuple | set | frozenset):
        return one
    if isinstance(one, msgspec.Struct):
        return [getattr(one, name) for name in one.__struct_fields__]
    if type(one).__name__ == "UUID":
        return (one.int,)
    if type(one).__module__.startswith("projections."):
        return (vars(one),) if hasattr(one, "__dict__") else ()
    return ()


def parts(cloud: Cloud) -> dict[str, int]:
    """Bytes of each part of the cloud. What two parts share is counted in the first."""
    walk, found = Walk(), {}
    for kind in ("host", "vm", "volume"):
        table = cloud.table(kind)
        found[f"{kind}.rows"] = walk.of(table.rows)
        indexes = (*table._index.values(), *table._text.values())
        found[f"{kind}.indexes"] = walk.of([one._entries for one in indexes])
    for name, fold in cloud._folds.items():
        told = {key: value for key, value in vars(fold).items() if key != "_cloud"}
        found[name] = walk.of(
            {k: vars(v) if hasattr(v, "__dict__") else v for k, v in told.items()}
        )
    return found


async def main(home: Path) -> None:
    quiet: dict[str, Any] = {"reconcile_s": 1e6, "checkpoint_events": 10**9}
    before = resident_bytes()
    async with asyncio.timeout(DEADLINE_S), controller(Settings(home=home, port=0, **quiet)) as one:
        told = {"before": before, "started": resident_bytes()}
        told["guests"] = await serve_all(one)
        memo = one.gateway.memo
        assert isinstance(memo, Memo), "the controller keeps answers"
        told |= {"served": resident_bytes(), "answers": memo.size_bytes}
        print(json.dumps(told | {"parts": parts(one.cloud)}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
