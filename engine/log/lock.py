"""One process writes a log file. The kernel keeps the lock, so a crash cannot leave it behind."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from engine.log.errors import LogLocked, LogUnavailable


class FileLock:
    """An exclusive `flock` on a file that tells the holder's process id to whoever comes second."""

    def __init__(self, path: Path) -> None:
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as wrong:
            raise LogUnavailable(f"cannot make the lock {path}: {wrong.strerror}") from wrong
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._fd, 20, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            raise LogLocked(
                f"process {holder} already writes the log beside {path}: stop it first, "
                "or open the log read-only"
            ) from None
        with suppress(OSError):  # A full disk: only the second one misses who was first.
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next one in. The file stays: removing it would race with its next holder."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
