"""Ways to a guest's screen or serial line, and a line that the driver itself carries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol


class SerialLine(Protocol):
    """An open serial line, bytes both ways. It is closed by whoever opened it."""

    async def read(self) -> bytes:
        """What came, as soon as there is something; nothing once it is closed.

        A line that dropped is opened again meanwhile. Unavailable: it stays away.
        """

    async def write(self, data: bytes) -> None:
        """Type this. While the line is down it is lost, as on any serial line."""

    async def close(self) -> None:
        """Let the next one have it; closed already is success."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """Where a guest's screen and serial line can be reached from the controller.

    `url` is a way that is neither plain VNC nor a file: `protocol` says how to speak there (`vnc`
    over a WebSocket, `webmks`, `html` for a page, `rdp`, `sol`), `token` is what opens it, for a
    short time, and is never logged. `line` opens a serial line that the driver carries itself:
    Refused while somebody else has it.
    """

    vnc_host: str = ""
    vnc_port: int = 0
    vnc_password: str = field(default="", repr=False)
    url: str = ""
    protocol: str = "vnc"
    token: str = field(default="", repr=False)
    serial_log: str = ""
    serial_device: str = ""
    line: Callable[[], Awaitable[SerialLine]] | None = field(
        default=None, repr=False, compare=False
    )
