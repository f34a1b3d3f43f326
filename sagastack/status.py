"""What a controller says of itself: since when it runs, on what, and how far its log is."""

from __future__ import annotations

import os
import platform
import resource
import socket
import sqlite3
import sys
import threading
from pathlib import Path

from api.caller import ServerStatus
from engine.log.store import sqlite_path

PROC = Path("/proc")


def server_status(store: str, *, started_at_ms: int, position: int, tasks: int) -> ServerStatus:
    """`store` is the URL of the log's store."""
    memory = _memory_kib()
    is_sqlite = store.startswith("sqlite")
    return ServerStatus(
        host_name=socket.gethostname(),
        started_at_ms=started_at_ms,
        booted_at_ms=_booted_at_ms(),
        operating_system=_os_name(),
        kernel=platform.release(),
        runtime=f"Python {platform.python_version()}",
        processors=os.cpu_count() or 1,
        load=os.getloadavg(),
        memory_total_bytes=memory.get("MemTotal", 0) * 1024,
        memory_free_bytes=memory.get("MemAvailable", 0) * 1024,
        process_bytes=_process_bytes(),
        threads=threading.active_count(),
        tasks=tasks,
        database="SQLite" if is_sqlite else "PostgreSQL",
        database_version=sqlite3.sqlite_version if is_sqlite else "",
        database_bytes=_store_bytes(store) if is_sqlite else None,
        log_position=position,
    )


def _memory_kib() -> dict[str, int]:
    """What the kernel says of memory, by its names; nothing where it does not say it."""
    try:
        lines = (PROC / "meminfo").read_text().splitlines()
    except OSError:
        return {}
    return {name: int(rest.split()[0]) for name, _, rest in (one.partition(":") for one in lines)}


def _process_bytes() -> int:
    """Memory of this process now; where that is not told, the most that it has had."""
    try:
        pages = int((PROC / "self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")


def _booted_at_ms() -> int | None:
    try:
        lines = (PROC / "stat").read_text().splitlines()
    except OSError:
        return None
    return next((int(one.split()[1]) * 1000 for one in lines if one.startswith("btime ")), None)


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", sys.platform)
    except OSError:
        return sys.platform


def _store_bytes(store: str) -> int | None:
    path = sqlite_path(store)
    found = [Path(f"{path}{end}") for end in ("", "-wal")]
    sizes = [one.stat().st_size for one in found if one.is_file()]
    return sum(sizes) if sizes else None
