"""Where tests write: in memory where there is room, since what they write is gone in seconds.

Every commit of a log and of PostgreSQL waits until it is on the disk, which is half of the time of
a test that makes a cloud. In memory that costs nothing, and no test cuts the power of a machine.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

IN_MEMORY, ROOM_BYTES = Path("/dev/shm"), 8 * 2**30
ON_DISK = Path("/tmp")  # Short, as names of sockets have to be.


@cache
def quick_root() -> Path:
    """The folder to make folders in."""
    fits = IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free >= ROOM_BYTES
    return IN_MEMORY if fits and _takes_disks(IN_MEMORY) else ON_DISK


def _takes_disks(folder: Path) -> bool:
    """Guests' disks are opened past the page cache, which Linux before 6.6 refuses in memory."""
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        try:
            os.close(os.open(file.name, os.O_RDWR | os.O_DIRECT))
        except OSError:
            return False
    return True
