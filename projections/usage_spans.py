"""Spans of usage as they are kept: small while they go on, packed when they are over.

Most of what a thing is metered as is the same for many things, so that (its shape) is one object
for all of them. What is over is only ever read by period, and there is no end of it: it lies in
packed blocks in the order of the ends, some twenty-five bytes a span.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Iterator
from operator import attrgetter
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from projections.shared import shared, shared_number, shared_word

BLOCK = 1024
KEPT_SHAPES = 4096


class Meter(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a row is metered for, and as what: a change of any field begins another span.

    `kind` is CloudStack's number. `about` is the thing where it is not the row itself.
    """

    kind: int
    name: str = ""
    offering_id: UUID | None = None
    template_id: UUID | None = None
    size_bytes: int | None = None
    virtual_bytes: int | None = None
    cpu_count: int | None = None
    cpu_mhz: int | None = None
    memory_mib: int | None = None
    what: str = ""
    about: UUID | None = None
    vm_id: UUID | None = None
    network_id: UUID | None = None
    is_default: bool | None = None
    is_source_nat: bool | None = None


class Span(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One thing, metered in one way, for as long as that was so. `end_ms` is 0 while it is."""

    thing_id: UUID
    account_id: UUID
    domain_id: UUID | None
    zone_id: UUID | None
    meter: Meter
    begin_ms: int
    end_ms: int = 0


class Owner(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Whose a thing is, and where."""

    account_id: UUID
    domain_id: UUID | None
    zone_id: UUID | None

    def has(self, other: Owner) -> bool:
        """Is this the same owner, wherever the thing is?"""
        if self is other:
            return True
        return self.account_id == other.account_id and self.domain_id == other.domain_id


# What a thing is metered as: the shape, its name, `about` and `vm_id`.
Metered = tuple[Meter, str, UUID | None, UUID | None]


class Going(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A span that goes on: its meter is its shape, with what is this thing's own."""

    owner: Owner
    shape: Meter
    name: str
    about: UUID | None
    vm_id: UUID | None
    begin_ms: int

    def is_as(self, metered: Metered) -> bool:
        """Is this metered in the same way?"""
        shape, name, about, vm_id = metered
        if self.shape is not shape and self.shape != shape:
            return False
        if self.name != name:
            return False
        return (self.about, self.vm_id) == (about, vm_id)

    def span(self, thing_id: UUID, end_ms: int = 0) -> Span:
        owner = self.owner
        meter = replace(self.shape, name=self.name, about=self.about, vm_id=self.vm_id)
        whose = (owner.account_id, owner.domain_id, owner.zone_id)
        return Span(thing_id, *whose, meter, self.begin_ms, end_ms)


class Ended(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A span that is over, as it is packed."""

    thing_id: UUID
    was: Going
    end_ms: int

    def span(self) -> Span:
        return self.was.span(self.thing_id, self.end_ms)


_of_shape = attrgetter(*(f for f in Meter.__struct_fields__ if f not in {"name", "about", "vm_id"}))
_of_owner = attrgetter(*Owner.__struct_fields__)
_shapes: dict[tuple[Any, ...], Meter] = {}
_owners: dict[tuple[Any, ...], Owner] = {}


def shape(
    kind: int,
    offering_id: UUID | None = None,
    template_id: UUID | None = None,
    size_bytes: int | None = None,
    virtual_bytes: int | None = None,
    cpu_count: int | None = None,
    cpu_mhz: int | None = None,
    memory_mib: int | None = None,
    what: str = "",
    network_id: UUID | None = None,
    is_default: bool | None = None,
    is_source_nat: bool | None = None,
) -> Meter:
    """The object that stands for all meters like this one. It is asked for at each event."""
    key = (
        kind, offering_id and offering_id.int, template_id and template_id.int,
        size_bytes, virtual_bytes, cpu_count, cpu_mhz, memory_mib, what,
        network_id and network_id.int, is_default, is_source_nat,
    )  # fmt: skip
    found = _shapes.get(key)
    if found is None:
        if len(_shapes) >= KEPT_SHAPES:
            _shapes.clear()
        size = (size_bytes, virtual_bytes, cpu_count, cpu_mhz, memory_mib)
        found = _shapes[key] = Meter(
            *(kind, "", offering_id, template_id, *size, what),
            network_id=network_id,
            is_default=is_default,
            is_source_nat=is_source_nat,
        )
    return found


def owner_of(account_id: UUID, domain_id: UUID | None, zone_id: UUID | None) -> Owner:
    key = (account_id.int, domain_id and domain_id.int, zone_id and zone_id.int)
    found = _owners.get(key)
    if found is None:
        if len(_owners) >= KEPT_SHAPES:
            _owners.clear()
        found = _owners[key] = Owner(account_id, domain_id, zone_id)
    return found


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    """What goes on, each with its owner and its shape by their places in these lists."""

    owners: list[Owner]
    shapes: list[Meter]
    going: list[tuple[UUID, int, int, str, UUID | None, UUID | None, int]]


class OpenSpans:
    """The spans that go on, by the thing. One alone stands for itself."""

    def __init__(self) -> None:
        self.of_thing: dict[int, Going | tuple[Going, ...]] = {}

    def get(self, thing_id: UUID) -> tuple[Going, ...]:
        found = self.of_thing.get(thing_id.int, ())
        return found if isinstance(found, tuple) else (found,)

    def put(self, thing_id: UUID, going: list[Going]) -> None:
        if going:
            self.of_thing[thing_id.int] = tuple(going) if len(going) > 1 else going[0]
        else:
            self.of_thing.pop(thing_id.int, None)

    def every(self) -> Iterator[tuple[int, Going]]:
        for thing, found in self.of_thing.items():
            for one in found if isinstance(found, tuple) else (found,):
                yield thing, one

    def saved(self) -> _Saved:
        owners: dict[tuple[Any, ...], int] = {}
        shapes: dict[tuple[Any, ...], int] = {}
        saved = _Saved([], [], [])
        for thing, one in self.every():
            whose, shape = _of_owner(one.owner), _of_shape(one.shape)
            if whose not in owners:
                owners[whose] = len(owners)
                saved.owners.append(one.owner)
            if shape not in shapes:
                shapes[shape] = len(shapes)
                saved.shapes.append(one.shape)
            own = (one.name, one.about, one.vm_id, one.begin_ms)
            saved.going.append((UUID(int=thing), owners[whose], shapes[shape], *own))
        return saved

    def restore(self, saved: _Saved) -> None:
        found: dict[int, list[Going]] = {}
        for thing_id, owner, shape, name, about, vm_id, begin_ms in saved.going:
            whose, what = saved.owners[owner], saved.shapes[shape]
            about, vm_id = about and shared(about), vm_id and shared(vm_id)
            one = Going(whose, what, shared_word(name), about, vm_id, shared_number(begin_ms))
            found.setdefault(shared(thing_id).int, []).append(one)
        self.of_thing = {
            thing: tuple(going) if len(going) > 1 else going[0] for thing, going in found.items()
        }


class _Block(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Some spans that are over, packed; `last_ms` is the end of the last."""

    last_ms: int
    packed: bytes


_END = attrgetter("end_ms")
_encode = msgspec.msgpack.Encoder(uuid_format="bytes").encode
_decode = msgspec.msgpack.Decoder(list[Ended]).decode


def _packed(spans: list[Ended]) -> _Block:
    return _Block(spans[-1].end_ms, zlib.compress(_encode(spans), 1))


def _unpacked(block: _Block) -> list[Ended]:
    return _decode(zlib.decompress(block.packed))


class EndedSpans:
    """The spans that are over, in the order of their ends."""

    def __init__(self) -> None:
        self.blocks: list[_Block] = []
        self.latest: list[Ended] = []

    def add(self, span: Ended) -> None:
        self.latest.append(span)
        if len(self.latest) == BLOCK:
            self.blocks.append(_packed(self.latest))
            self.latest = []

    def since(self, first_ms: int) -> Iterator[Span]:
        """Those that ended later."""
        first = bisect_right(self.blocks, first_ms, key=attrgetter("last_ms"))
        for block in self.blocks[first:]:
            spans = _unpacked(block)
            yield from (one.span() for one in spans[bisect_right(spans, first_ms, key=_END) :])
        behind = bisect_right(self.latest, first_ms, key=_END)
        yield from (one.span() for one in self.latest[behind:])

    def forget(self, before_ms: int) -> None:
        """Let go of those that ended by then."""
        del self.blocks[: bisect_right(self.blocks, before_ms, key=attrgetter("last_ms"))]
        if not self.blocks:
            del self.latest[: bisect_right(self.latest, before_ms, key=_END)]
            return
        spans = _unpacked(self.blocks[0])
        known = bisect_right(spans, before_ms, key=_END)
        if known:
            self.blocks[0] = _packed(spans[known:])


class _All(msgspec.Struct, frozen=True, array_like=True):
    going: _Saved
    blocks: list[_Block]
    latest: list[Ended]


def encode(going: OpenSpans, ended: EndedSpans) -> bytes:
    """Both, for a checkpoint."""
    return _encode(_All(going.saved(), ended.blocks, ended.latest))


def restore(encoded: bytes, going: OpenSpans, ended: EndedSpans) -> list[Meter]:
    """Take over both; the shapes of what goes on."""
    saved = msgspec.msgpack.decode(encoded, type=_All)
    going.restore(saved.going)
    ended.blocks, ended.latest = saved.blocks, saved.latest
    return saved.going.shapes
