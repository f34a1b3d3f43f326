"""Serial over LAN for BMCs of pyghmi's: the machine's serial line is a Unix socket or a terminal.

A machine that is real to its firmware has a terminal: it takes some tens of KiB that nobody has
read yet. A socket is full after some 300 bytes written one by one; firmware takes a serial port
that does not take its words for broken, and OVMF's shell ends at once.

What pyghmi's server lacks is added: who owns the line (IPMI 2.0, 24.6, Get Payload Instance Info),
that the owner's leaving frees it, and a drop at the BMC's own will (SIGUSR1), after which it
answers what is typed with "deactivating" (15.9, bit 4 of the status byte).
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import time
from collections.abc import Callable
from typing import Any, Protocol

from pyghmi.ipmi.console import ServerConsole
from pyghmi.ipmi.private.session import Session

PACE_S = 0.02
PACKET_BYTES = 200
UNHEARD_BYTES = 65536
AGAIN_S = 0.5

OFF, TAKEN = 0x81, 0x80
INSTANCE_INFO = 0x4B


class Wire(Protocol):
    """One end of a line, as a socket that does not block has it."""

    def recv(self, size: int, /) -> bytes: ...

    def sendall(self, data: bytes, /) -> None: ...

    def close(self) -> None: ...


class Terminal:
    """The near end of a pseudo-terminal that belongs to the machine."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def recv(self, size: int) -> bytes:
        return os.read(self._fd, size)

    def sendall(self, data: bytes) -> None:
        os.write(self._fd, data)

    def close(self) -> None:
        os.close(self._fd)


class SerialOverLan:
    """Mixed into a BMC before pyghmi's `Bmc`."""

    line = ""
    _wire: Wire | None = None
    _tried_s = 0.0
    _owner: Any = None
    _dropping = False
    activated: bool
    sol: Any
    port: int
    is_active: Callable[[], bool]

    def has_serial(self, path: str) -> None:
        """The machine's serial line is at this socket; an empty path: it has none."""
        self.line = path
        if path:
            self.iohandler = self.typed  # pyghmi frees no line of a BMC without one.
            signal.signal(signal.SIGUSR1, lambda *_: setattr(self, "_dropping", True))

    def connected(self) -> Wire | None:
        """The line's near end; None while the machine is off, which has no line then."""
        return _socket(self.line)

    def typed(self, data: Any) -> None:
        if isinstance(data, dict):
            self._free()
        elif self._wire is not None:
            self._wire.sendall(data)

    def serve(self) -> None:
        while True:
            Session.wait_for_rsp(PACE_S)
            if self._dropping:
                self._dropping = False
                if self.sol is not None:
                    self.sol.close()
                self.activated = False
            if self.line:
                self._pump()

    def activate_payload(self, request: Any, session: Any) -> None:
        """IPMI 2.0, 24.1: the sizes of packets, the port, no VLAN."""
        if not self.line or not self.is_active():
            session.send_ipmi_response(code=OFF)
        elif self.activated:
            session.send_ipmi_response(code=TAKEN)
        else:
            self.activated, self._owner = True, session
            sizes = struct.pack("<HH", PACKET_BYTES, PACKET_BYTES)
            port = struct.pack("<H", self.port)
            session.send_ipmi_response(data=[0, 0, 0, 0, *sizes, *port, 0xFF, 0xFF])
            self.sol = ServerConsole(session, self.typed)

    def deactivate_payload(self, request: Any, session: Any) -> None:
        if self.sol is not None:
            self.sol.awaitingack = False
        super().deactivate_payload(request, session)  # type: ignore[misc]

    def handle_raw_request(self, request: Any, session: Any) -> None:
        if request["netfn"] == 6 and request["command"] == INSTANCE_INFO:
            owner = self._owner.managedsessionid if self.activated else bytes(4)
            session.send_ipmi_response(data=[*bytes(owner), 0, 0, 0, 0, 0, 0, 0, 0])
            return
        super().handle_raw_request(request, session)  # type: ignore[misc]

    def _free(self) -> None:
        self.activated, self.sol, self._owner = False, None, None

    def _pump(self) -> None:
        """What came over the line goes to whoever listens, or nowhere."""
        if self._wire is None and time.monotonic() - self._tried_s > AGAIN_S:
            self._tried_s, self._wire = time.monotonic(), self.connected()
        if self._wire is None:
            return
        listens = self.sol is not None and self.activated
        try:
            data = self._wire.recv(PACKET_BYTES if listens else UNHEARD_BYTES)
        except BlockingIOError:
            return
        except OSError:  # The machine is off.
            data = b""
        if not data:
            self._wire.close()
            self._wire = None
        elif listens:
            self.sol.send_data(data)


def _socket(path: str) -> Wire | None:
    wire = socket.socket(socket.AF_UNIX)
    try:
        wire.connect(path)
    except OSError:
        wire.close()
        return None
    wire.setblocking(False)
    return wire
