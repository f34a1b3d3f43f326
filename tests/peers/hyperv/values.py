"""The few types of PowerShell's that answers are made of, and how it fails."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

TICKS = 10_000_000


@dataclass(frozen=True)
class Enum:
    """A .NET enumeration's value: a name on CLIXML, a number in JSON."""

    name: str
    number: int


@dataclass(frozen=True)
class Span:
    """A TimeSpan, in units of 100 ns."""

    ticks: int

    def json(self) -> dict[str, Any]:
        seconds = self.ticks / TICKS
        return {
            "Ticks": self.ticks,
            "Days": int(seconds // 86400),
            "Hours": int(seconds // 3600 % 24),
            "Minutes": int(seconds // 60 % 60),
            "Seconds": int(seconds % 60),
            "TotalSeconds": seconds,
        }


@dataclass(frozen=True)
class Stamp:
    """A DateTime."""

    seconds: float

    def iso(self) -> str:
        return datetime.fromtimestamp(self.seconds, UTC).isoformat()

    def json(self) -> str:
        return f"/Date({int(self.seconds * 1000)})/"


class Record:
    """An object with properties, whose names have no case; `of` is the thing that it stands for."""

    def __init__(self, fields: dict[str, Any], of: Any = None) -> None:
        self.fields, self.of = fields, of

    def get(self, name: str) -> Any:
        for key, value in self.fields.items():
            if key.lower() == name.lower():
                return value
        return None


class Failure(Exception):
    """An error record: what it says, its id, its category and the HRESULT behind it."""

    def __init__(
        self,
        message: str,
        error_id: str,
        *,
        category: str = "NotSpecified",
        kind: str = "Microsoft.HyperV.PowerShell.VirtualizationException",
        hresult: int = 0x80131500,
    ) -> None:
        super().__init__(message)
        self.message, self.error_id, self.category = message, error_id, category
        self.kind, self.hresult = kind, hresult


def invalid(message: str, error_id: str = "InvalidParameter") -> Failure:
    return Failure(message, error_id, category="InvalidArgument")


def in_use(path: str, error_id: str = "ObjectInUse") -> Failure:
    """ERROR_SHARING_VIOLATION. Hyper-V's commands name the code, those about files do not."""
    code = " (0x80070020)" if error_id == "ObjectInUse" else ""
    text = (
        f"The process cannot access the file '{path}' because it is being used by another "
        f"process.{code}"
    )
    return Failure(text, error_id, category="ResourceBusy", hresult=0x80070020)
