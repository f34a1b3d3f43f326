"""One thing that the doctor looked at: how it stands, and what to do where it is not well."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `needed`: without it no cloud works, rather than some of it."""

    name: str
    ok: bool
    found: str
    remedy: str = ""
    needed: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        mark = "ok  " if self.ok else "FAIL" if self.needed else "warn"
        remedy = f"\n       do: {self.remedy}" if self.remedy and not self.ok else ""
        return f"{mark}  {self.name}: {self.found}{remedy}"
