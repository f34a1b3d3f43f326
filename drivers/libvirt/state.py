"""A small JSON file of what was found out about hosts, so that it is found out only once.

Losing it costs a probe and the memory of SSH host keys, and nothing else: truth is in the log.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from drivers.contract.errors import Refused


class State:
    """Sections of text by key. Without a path it lives in memory only."""

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None
        self._sections: dict[str, dict[str, str]] = {}
        if self._path is not None and self._path.exists():
            self._sections = _read(self._path)

    def get(self, section: str, key: str) -> str | None:
        return self._sections.get(section, {}).get(key)

    def put(self, section: str, key: str, value: str) -> None:
        """Write through, by a new file renamed over the old: a crash leaves one of the two, and
        so does a loss of power, as the new one is on disk before it has the name."""
        self._sections.setdefault(section, {})[key] = value
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(f"{self._path.name}.new")
        with fresh.open("w") as file:
            json.dump(self._sections, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, self._path)


def _read(path: Path) -> dict[str, dict[str, str]]:
    try:
        found: dict[str, dict[str, str]] = json.loads(path.read_bytes())
    except ValueError as wrong:
        raise Refused(
            f"{path} cannot be read ({wrong}): put a copy back, or move it away, and hosts are "
            "probed, and their SSH keys taken at their word, anew"
        ) from wrong
    return found
