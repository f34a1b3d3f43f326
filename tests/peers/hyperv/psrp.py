"""PowerShell's remoting beneath its objects: messages and fragments (MS-PSRP 2.2.1-2.2.4)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from uuid import UUID

SESSION_CAPABILITY = 0x00010002
INIT_RUNSPACEPOOL = 0x00010004
RUNSPACEPOOL_STATE = 0x00021005
CREATE_PIPELINE = 0x00021006
APPLICATION_PRIVATE_DATA = 0x00021009
PIPELINE_INPUT = 0x00041002
END_OF_PIPELINE_INPUT = 0x00041003
PIPELINE_OUTPUT = 0x00041004
ERROR_RECORD = 0x00041005
PIPELINE_STATE = 0x00041006
TO_CLIENT = 1
START, END = 1, 2
NOBODY = UUID(int=0)


@dataclass(frozen=True)
class Message:
    kind: int
    pool: UUID
    pipeline: UUID
    data: str


def encode(message: Message) -> bytes:
    head = struct.pack("<II", TO_CLIENT, message.kind)
    return head + message.pool.bytes_le + message.pipeline.bytes_le + message.data.encode()


def decode(blob: bytes) -> Message:
    if len(blob) < 40:
        raise ValueError("a message is shorter than its head")
    _, kind = struct.unpack_from("<II", blob)
    data = blob[40:].removeprefix(b"\xef\xbb\xbf").decode()
    return Message(kind, UUID(bytes_le=blob[8:24]), UUID(bytes_le=blob[24:40]), data)


@dataclass
class Joiner:
    """Puts fragments together again; one that is out of order ends the session, as it must."""

    parts: dict[int, list[bytes]] = field(default_factory=dict)

    def feed(self, data: bytes) -> list[Message]:
        whole = []
        while data:
            number, fragment, flags, length = struct.unpack_from(">QQBI", data)
            blob, data = data[21 : 21 + length], data[21 + length :]
            if len(blob) != length:
                raise ValueError("a fragment is cut short")
            if flags & START:
                self.parts[number] = []
            if fragment != len(self.parts.get(number, ())):
                raise ValueError(f"fragment {fragment} of object {number} is out of order")
            self.parts[number].append(blob)
            if flags & END:
                whole.append(decode(b"".join(self.parts.pop(number))))
        return whole


@dataclass
class Splitter:
    """Cuts messages into fragments that fit the envelope of the client."""

    size: int
    number: int = 0

    def split(self, message: Message) -> list[bytes]:
        self.number += 1
        blob, cuts = encode(message), []
        pieces = [blob[at : at + self.size] for at in range(0, len(blob), self.size)]
        for index, piece in enumerate(pieces):
            flags = (START if index == 0 else 0) | (END if index == len(pieces) - 1 else 0)
            cuts.append(struct.pack(">QQBI", self.number, index, flags, len(piece)) + piece)
        return cuts
