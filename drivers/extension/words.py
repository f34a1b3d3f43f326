"""What goes over a program's pipes: one JSON object a line.

    {"id": 7, "verb": "stop_guest", "host": {"url": ...}, "arguments": {"guest_id": ..., ...}}
    {"id": 7, "progress": 40, "text": "flushing"}         any number of times, or never
    {"id": 7, "value": null}     or     {"id": 7, "error": "Unavailable", "text": "disk full"}

Arguments and values are the contract's dataclasses by the names of their fields; ids are text and
bytes are Base64. Every verb of the contract can be asked, as its own signature has it.
"""

from __future__ import annotations

import msgspec

from drivers.contract.compute import HostAddress


class Ask(msgspec.Struct, omit_defaults=True):
    """`cancel` says that nobody waits for the answer any more; the program may go on or not."""

    id: int
    verb: str = ""
    host: HostAddress | None = None
    arguments: msgspec.Raw = msgspec.Raw(b"{}")
    cancel: bool = False


class Answer(msgspec.Struct):
    """`progress` is no answer yet, but says that there will be one."""

    id: int
    value: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""
    text: str = ""
    progress: int | None = None
