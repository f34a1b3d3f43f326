"""Files that only their owner may read: keys."""

from __future__ import annotations

import os
from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Make a file that only its owner may read, whole and on disk; never over an old one.

    It gets its name once it is whole: of two that make it at one moment, the second is told so by
    `FileExistsError`, and finds a whole one.
    """
    unnamed = path.with_name(f"{path.name}.{os.getpid()}")
    unnamed.unlink(missing_ok=True)
    descriptor = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
        os.link(unnamed, path)
        sync_folder(path.parent)
    finally:
        os.close(descriptor)
        unnamed.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Bring the names in it to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
