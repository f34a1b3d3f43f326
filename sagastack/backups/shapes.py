"""The lines of a backup: a beginning, rows, seals, secrets, and an end that vouches for them all.

    {"is":"backup","cloud":...,"after":0,...}       what this is, and where it begins
    {"is":"row","position":1,...,"state":{...}}     `state` byte for byte as the log stores it
    {"is":"seal","seal":{...}}
    {"is":"secret","id":...,"sealed":"..."}         an entry of the sealed store, still sealed
    {"is":"end","position":...,"root":...,...}      counts, Merkle root of the whole log, signature

A shape only grows: what an old release wrote is read for ever.
"""

from __future__ import annotations

from hashlib import sha256
from typing import ClassVar
from uuid import UUID

import msgspec

from engine.log import Seal, Stored
from engine.log.tree import Grown
from sagastack.signed import Signed

FORMAT = 1


class Begin(msgspec.Struct, frozen=True, kw_only=True, tag_field="is", tag="backup"):
    """`after` 0 is a full backup; else `parent` is the hash of the file that this one follows.

    `tree` is the whole log's Merkle tree up to `after`.
    """

    format: int
    cloud: UUID
    release: str
    at_ms: int
    after: int = 0
    parent: str = ""
    tree: Grown = Grown()


class Row(msgspec.Struct, frozen=True, tag_field="is", tag="row"):
    position: int
    stream: UUID
    version: int
    topic: str
    state: msgspec.Raw

    def stored(self) -> Stored:
        return Stored(self.position, self.stream, self.version, self.topic, bytes(self.state))


class SealLine(msgspec.Struct, frozen=True, tag_field="is", tag="seal"):
    seal: Seal


class Secret(msgspec.Struct, frozen=True, tag_field="is", tag="secret"):
    id: UUID
    sealed: bytes


class End(Signed, msgspec.Struct, frozen=True, kw_only=True, tag_field="is", tag="end"):
    """`lines` is the hash of every line before this one, so the signature is over all of them.

    `tree`, `root` and `seals` are the whole log's up to `position`; `rows` and `secrets` are this
    file's. `last` is the hash of the last row, `seal` that of the last seal.
    """

    SIGNED_AS: ClassVar[bytes] = b"sagastack backup\n"

    position: int
    at_ms: int
    rows: int
    secrets: int
    seals: int
    seal: str
    sealed_to: int
    tree: Grown
    root: str
    last: str
    lines: str
    public_key: str = ""
    signature: str = ""


Line = Begin | Row | SealLine | Secret | End

encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def decode(line: bytes) -> Line:
    return _decoder.decode(line)


def row(stored: Stored) -> Row:
    position, stream, version, topic, state = stored
    return Row(position, stream, version, topic, msgspec.Raw(state))


def fingerprint(public_key: str) -> str:
    """A public key in a form that people compare."""
    return sha256(bytes.fromhex(public_key)).hexdigest()[:16] if public_key else ""
