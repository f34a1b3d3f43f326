"""Spans of usage as they are kept: small while they go on, packed when they are over.

Most of what a thing is metered as is the same for many things, so that (its shape) is one object
for all of them. What goes on and was not looked at lately lies packed: what is alike is a form that
many things name, the rest some bytes. What is over is only ever read by period, and there
is no end of it: it lies in packed blocks in the order of the ends, some twenty-five bytes a span.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from operator import attrgetter
from struct import Struct
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from aggregates.ids import id_numbered, id_of
from projections.interned import Interned
from projections.packed import PackedWords

BLOCK = 1024
KEPT_SHAPES = 4096
KEPT_OPEN, PACKED_AT_ONCE = 2048, 64
"""Things whose spans are not packed, and how many are as soon as there are more."""
KEPT_OF_PAST = 32 * KEPT_OPEN
"""The same while a past is folded: most of what is packed then is to be unpacked for its end."""
_number_of = Struct("<I")


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


# Of one span of a thing: whose, as what, whether it is about something else, and of which guest.
_Part = tuple[Owner, Meter, bool, int]
# The same by the places of owners and shapes.
_SavedPart = tuple[int, int, bool, int]
_NO_GUEST, _ITSELF, _ANOTHER = range(3)


class _Form:
    """What the spans of a thing have in common with those of others.

    Then come the number of the form, their times, the ids that they name, and the thing's name.
    """

    def __init__(self, number: int, parts: list[_Part]) -> None:
        self.number, self.parts, self.count = number, parts, 0
        ids = sum(is_about + (guest == _ANOTHER) for _, _, is_about, guest in parts)
        self._form = Struct(f"<I{len(parts)}q" + ids * "16s")
        self.pack = self._form.pack

    def unpacked(self, thing: int, packed: bytes) -> tuple[Going, ...]:
        fields, name = self._form.unpack_from(packed), packed[self._form.size :].decode()
        ids, itself = iter(fields[1 + len(self.parts) :]), None
        found = []
        for (owner, shape, is_about, guest), begin_ms in zip(self.parts, fields[1:], strict=False):
            about, vm_id = id_of(next(ids)) if is_about else None, None
            if guest == _ITSELF:
                itself = vm_id = itself or id_numbered(thing)
            elif guest == _ANOTHER:
                vm_id = id_of(next(ids))
            found.append(Going(owner, shape, name, about, vm_id, begin_ms))
        return tuple(found)


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    """What goes on: forms name owners and shapes by their places, and so do things their forms.
    `counts` says of each form how many things have it."""

    owners: list[Owner]
    shapes: list[Meter]
    forms: list[tuple[_SavedPart, ...]]
    counts: list[int]
    things: list[bytes]


class OpenSpans:
    """The spans that go on, by the thing, which gives them its name. Those looked at last lie
    open, where one alone stands for itself."""

    def __init__(self) -> None:
        self._latest: dict[int, Going | tuple[Going, ...]] = {}
        self._kept = KEPT_OPEN
        self._packed = PackedWords()
        self._forms: dict[int, _Form] = {}
        self._form_of: dict[tuple[int, ...], _Form] = {}
        self._forms_made = 0

    def get(self, thing_id: UUID) -> tuple[Going, ...]:
        number = thing_id.int
        found = self._latest.get(number)
        if found is None:
            packed = self._packed.pop(number)
            if packed is None:
                return ()
            form = self._forms[_number_of.unpack_from(packed)[0]]
            found = self._latest[number] = form.unpacked(number, packed)
            self._release(form)
        return found if isinstance(found, tuple) else (found,)

    def put(self, thing_id: UUID, going: list[Going]) -> None:
        """What goes on of a thing from now on; it was got before, or is new."""
        if not going:
            self._latest.pop(thing_id.int, None)
            return
        self._latest[thing_id.int] = tuple(going) if len(going) > 1 else going[0]
        if len(self._latest) > self._kept:
            self._pack(PACKED_AT_ONCE)

    def keep(self, count: int) -> None:
        """Let the spans of so many things lie open: what is more is packed when something changes,
        or by `cool`."""
        self._kept = count

    def cool(self, most: int) -> int:
        """Pack the spans of a few things that need not lie open; says of how many."""
        count = min(most, len(self._latest) - self._kept)
        if count <= 0:
            return 0
        self._pack(count)
        return count

    def every(self) -> Iterator[tuple[int, Going]]:
        """All that goes on now, whatever ends meanwhile; what is of one thing stands together."""
        return _every(list(self._latest.items()), iter(self._packed), dict(self._forms))

    def saved(self) -> _Saved:
        """In an order that does not tell how it came to be."""
        self._pack(len(self._latest))
        owners, shapes = Interned[Owner](), Interned[Meter]()
        forms, counts = Interned[tuple[_SavedPart, ...]](), Counter[int]()
        things = PackedWords()
        for thing, words in sorted(self._packed):
            form = self._forms[_number_of.unpack_from(words)[0]]
            parts = tuple((owners.number(o), shapes.number(s), a, g) for o, s, a, g in form.parts)
            place = forms.number(parts)
            counts[place] += 1
            things.add(thing, _number_of.pack(place) + words[_number_of.size :])
        counted = [counts[place] for place in range(len(forms.values))]
        return _Saved(owners.values, shapes.values, forms.values, counted, things.saved())

    def restore(self, saved: _Saved) -> None:
        kept = self._kept
        self.__init__()  # type: ignore[misc]
        self._kept = kept
        for place, parts in enumerate(saved.forms):
            known = [(saved.owners[o], saved.shapes[s], a, g) for o, s, a, g in parts]
            form = self._form_with(known)
            assert form.number == place, "things name their forms by these places"
            form.count = saved.counts[place]
        self._packed.take(saved.things, sum(saved.counts))

    def _pack(self, count: int) -> None:
        """Pack those that were open for longest."""
        latest = self._latest
        for thing in list(islice(latest, count)):
            found = latest.pop(thing)
            going = found if isinstance(found, tuple) else (found,)
            known, times, ids = list[int](), list[int](), list[bytes]()
            for one in going:
                about, vm_id, guest = one.about, one.vm_id, _NO_GUEST
                if about is not None:
                    ids.append(about.int.to_bytes(16, "big"))
                if vm_id is not None:
                    guest = _ITSELF if vm_id.int == thing else _ANOTHER
                    if guest == _ANOTHER:
                        ids.append(vm_id.int.to_bytes(16, "big"))
                times.append(one.begin_ms)
                known += (id(one.owner), id(one.shape), about is not None, guest)
            form = self._form_of.get(tuple(known))
            if form is None:
                form = self._form_with([_part(one, thing) for one in going])
            form.count += 1
            words = form.pack(form.number, *times, *ids) + going[0].name.encode()
            self._packed.add(thing, words)

    def _form_with(self, parts: list[_Part]) -> _Form:
        known = _known(parts)
        found = self._form_of.get(known)
        if found is None:
            found = self._form_of[known] = _Form(self._forms_made, parts)
            self._forms[found.number] = found
            self._forms_made += 1
        return found

    def _release(self, form: _Form) -> None:
        form.count -= 1
        if not form.count:
            del self._forms[form.number]
            del self._form_of[_known(form.parts)]


def _every(
    latest: Iterable[tuple[int, Going | tuple[Going, ...]]],
    packed: Iterable[tuple[int, bytes]],
    forms: Mapping[int, _Form],
) -> Iterator[tuple[int, Going]]:
    for thing, found in latest:
        for one in found if isinstance(found, tuple) else (found,):
            yield thing, one
    for thing, words in packed:
        for one in forms[_number_of.unpack_from(words)[0]].unpacked(thing, words):
            yield thing, one


def _part(one: Going, thing: int) -> _Part:
    guest = _NO_GUEST
    if one.vm_id is not None:
        guest = _ITSELF if one.vm_id.int == thing else _ANOTHER
    return one.owner, one.shape, one.about is not None, guest


def _known(parts: list[_Part]) -> tuple[int, ...]:
    """What a form is found by: while it is there, so are its owners and shapes, and no others have
    their numbers."""
    found = list[int]()
    for owner, shape, is_about, guest in parts:
        found += (id(owner), id(shape), is_about, guest)
    return tuple(found)


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


def _since(first_ms: int, blocks: list[_Block], latest: list[Ended]) -> Iterator[Span]:
    for block in blocks:
        spans = _unpacked(block)
        yield from (one.span() for one in spans[bisect_right(spans, first_ms, key=_END) :])
    yield from (one.span() for one in latest)


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
        """Those that ended later and are over now, whatever ends or is forgotten meanwhile."""
        first = bisect_right(self.blocks, first_ms, key=attrgetter("last_ms"))
        behind = bisect_right(self.latest, first_ms, key=_END)
        return _since(first_ms, self.blocks[first:], self.latest[behind:])

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
