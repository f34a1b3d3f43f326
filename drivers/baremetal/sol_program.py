"""One session of IPMI's serial over LAN, as a program: its line is our input and output.

    python -m drivers.baremetal.sol_program

The first line of input is JSON: host, port, user, password, force. Then every byte goes
to the machine, and every byte of the machine's to our output. Our error output says `connected`,
or `error` and why, a line each. It ends when its input does.

pyghmi keeps all sessions of a process in one loop and shares them by their words, so a line that
lasts would be in the way of the short questions that a BMC is asked. Hence a process of its own.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from io import BufferedReader
from queue import Empty, SimpleQueue
from typing import Any, cast

from pyghmi import exceptions
from pyghmi.ipmi.console import Console
from pyghmi.ipmi.private.session import Session

PACE_S = 0.05
CHUNK_BYTES = 4096
PACKET_BYTES_MAX = 252  # What is accepted of a packet is told in one byte (IPMI 2.0, 15.9).


class Line:
    """The session. `why` is what ended it."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self.why = ""
        words = (asked["host"], asked["user"], asked["password"])
        self.console = Console(
            *words, iohandler=self._heard, port=asked["port"], force=asked["force"]
        )
        while not self.is_over and not self.console.connected:
            Session.wait_for_rsp(PACE_S)

    def _heard(self, said: Any) -> None:
        if not isinstance(said, dict):
            os.write(sys.stdout.fileno(), said if isinstance(said, bytes) else said.encode())
        elif "error" in said:
            self.why = str(said["error"]) or "lost"

    @property
    def is_over(self) -> bool:
        return bool(self.why) or self.console.broken

    def type(self, data: bytes) -> None:
        """A packet at a time, each answered before the next: pyghmi would else nest them all."""
        size = min(max(1, self.console.maxoutcount), PACKET_BYTES_MAX)
        for at in range(0, len(data), size):
            if not self.is_over:
                self.console.send_data(data[at : at + size])

    def close(self) -> None:
        session = self.console.ipmi_session
        self.console.close()
        if session is not None:
            session.logout()


def carry(line: Line, typed: SimpleQueue[bytes]) -> str:
    """Until our input ends (nothing) or the line does (why)."""
    while not line.is_over:
        Session.wait_for_rsp(PACE_S)
        while not line.is_over:
            try:
                data = typed.get_nowait()
            except Empty:
                break
            if not data:
                return ""
            line.type(data)
    return line.why or "lost"


def listen(typed: SimpleQueue[bytes]) -> None:
    source = cast(BufferedReader, sys.stdin.buffer)
    while data := source.read1(CHUNK_BYTES):
        typed.put(data)
    typed.put(b"")


def tell(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


def main() -> int:
    """One session, from its first word to its last."""
    asked = json.loads(sys.stdin.buffer.readline())
    typed: SimpleQueue[bytes] = SimpleQueue()
    try:
        line = Line(asked)
        if line.why:
            tell(f"error {line.why}")
            return 1
        tell("connected")
        threading.Thread(target=listen, args=(typed,), daemon=True).start()
        why = carry(line, typed)
        line.close()
    except NotImplementedError:
        why = "it has its serial line on another port"
    except (exceptions.PyghmiException, exceptions.IpmiException, OSError) as error:
        why = str(error) or "timeout"
    if why:
        tell(f"error {why}")
    return 1 if why else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # pyghmi's own thread does not end by itself.
