"""The lines of a tenant's proof: its events, each with its way up to a seal, and a statement.

    {"is":"proof","cloud":...,"account":...}         whose events these are
    {"is":"stretch","seal":{...}}                    a seal, and behind it what it covers:
    {"is":"event","index":3,"path":[...],...}        the row, byte for byte, and its audit path
    {"is":"stated","events":...,"root":...}          signed: these are all of them, up to that seal

A shape only grows: what an old release wrote is read for ever.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

import msgspec

from engine.log import Seal, Stored
from sagastack.signed import Signed

FORMAT = 1


class Proof(msgspec.Struct, frozen=True, kw_only=True, tag_field="is", tag="proof"):
    format: int
    cloud: UUID
    account: UUID
    release: str
    at_ms: int
    public_key: str


class Sealed(msgspec.Struct, frozen=True, tag_field="is", tag="stretch"):
    seal: Seal


class Own(msgspec.Struct, frozen=True, tag_field="is", tag="event"):
    """Row `index` of its stretch, and the hashes beside its way to the root, from the bottom up."""

    index: int
    path: list[str]
    position: int
    stream: UUID
    version: int
    topic: str
    state: msgspec.Raw

    def stored(self) -> Stored:
        return Stored(self.position, self.stream, self.version, self.topic, bytes(self.state))


class Stated(Signed, msgspec.Struct, frozen=True, kw_only=True, tag_field="is", tag="stated"):
    """The operator's word: up to `seal`, these events are all that are the account's.

    `root` is the Merkle root over their leaves in order, so that a later proof can be held against
    this one, and the log against either.
    """

    SIGNED_AS: ClassVar[bytes] = b"sagastack statement on one account\n"

    cloud: UUID
    account: UUID
    events: int
    root: str
    seal: Seal
    at_ms: int
    lines: str
    signature: str = ""


Line = Proof | Sealed | Own | Stated

encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def decode(line: bytes) -> Line:
    return _decoder.decode(line)
