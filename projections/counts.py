"""How much every account and domain has of what is limited: the fold of whose rows there are.

A noun says once what its rows weigh; an account's count is the sum over its rows, and a domain's
that over all accounts in it and below. Nothing else is ever added or taken away, so counts cannot
drift. What is decided and not on disk yet is counted beside it, as a promise.

    counted("volume", lambda row: (("volume", 1), ("primary_storage", row.size_bytes)))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, ClassVar
from uuid import UUID

import msgspec
import numpy as np

import aggregates
from aggregates.base import EVENTS, Event, Recorded
from projections.account import accounts
from projections.cloud import projection
from projections.domain import domains
from projections.interned import Interned
from projections.of_rows import OfRows
from projections.packed import Packed
from projections.table import TABLES
from projections.tables import Tables
from projections.whole import summed, whole

Weights = tuple[tuple[str, int], ...]
# Here ids are their numbers: those are hashed by C code, ids by Python's.
# An owner, or what an owner has of one offering: by that tagged limits are reckoned.
Page = int | tuple[int, int]
Sums = dict[Page, dict[str, int]]
# Guests of a size, of one owner, add up to the same pages: of so many such sums the last are kept.
KEPT_SHEETS = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """Who is charged (an account and the domains above it), what with, and for what offering.

    Equal shares are one, so that what follows from them is found by which they are.
    """

    owners: tuple[int, ...]
    weights: Weights
    offering: int | None


NOTHING = Share((), (), None)


@dataclass(frozen=True, slots=True)
class Counted:
    """A noun that is counted.

    `idle` names topics that change what a row weighs by the listed fields alone, mostly by none:
    they are common, and looking closer costs more than the rest.
    """

    kind: str
    weigh: Callable[[Any], Weights]
    offering: str = ""
    idle: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def is_idle(self, happened: Event, row: Any) -> bool:
        """Does the event surely change nothing of what the row weighs?"""
        fields = self.idle.get(happened.TOPIC)
        if fields is None or row is None:
            return False
        return all(getattr(happened, name) == getattr(row, name) for name in fields)


COUNTED: dict[str, Counted] = {}


def counted(kind: str, weigh: Callable[[Any], Weights], **how: Any) -> None:
    """Count the rows of a noun, whether or not there is such a noun yet."""
    COUNTED[kind] = Counted(kind, weigh, **how)


def _vm(row: Any) -> Weights:
    """A destroyed guest weighs nothing until it is recovered; one that grows, what it will be."""
    state = row.before if row.state == "Expunging" else row.state
    if state == "Destroyed":
        return ()
    cores, mib = row.cpu_count, row.memory_mib
    if row.growing_cores:
        cores, mib = max(cores, row.growing_cores), max(mib, row.growing_mib)
    return (("user_vm", 1), ("cpu", cores), ("memory", mib))


def _volume(row: Any) -> Weights:
    """One that grows weighs what it will be."""
    return (("volume", 1), ("primary_storage", max(row.size_bytes, row.growing_to_bytes)))


def _kept(name: str) -> Callable[[Any], Weights]:
    """One thing of this name, with what it takes of the storage for images."""
    return lambda row: ((name, 1), ("secondary_storage", row.size_bytes))


def _one(name: str) -> Callable[[Any], Weights]:
    return lambda row: ((name, 1),)


def _never(kind: str, *verbs: str) -> dict[str, tuple[str, ...]]:
    return {f"{kind}.{verb}": () for verb in verbs}


counted(
    "vm",
    _vm,
    offering="service_offering_id",
    idle=_never("vm", "busy", "work_begun", "nics_set", "started", "migrated", "updated"),
)
counted(
    "volume",
    _volume,
    offering="offering_id",
    idle=_never("volume", "busy", "attached", "detached") | {"volume.ready": ("size_bytes",)},
)
counted("snapshot", _kept("snapshot"))
counted("template", _kept("template"))
counted("iso", _kept("template"))
counted("public_ip_address", _one("public_ip"))
counted("network", _one("network"), idle=_never("network", "implemented"))
counted("vpc", _one("vpc"))
counted("project_member", lambda row: (("project", 1),) if row.role == "Admin" else ())

for _found in iter_modules(aggregates.__path__):
    import_module(f"aggregates.{_found.name}")


@dataclass(frozen=True, slots=True, eq=False)
class Promise:
    """What one draft adds, from the moment that it is decided until it is on disk or is not."""

    stream: int
    more: Sums


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    """Of each share its owners' ids, weights and offering; and which of them each row has."""

    shares: list[tuple[list[bytes], Weights, bytes | None]]
    rows: bytes


@projection
class Counts(OfRows):
    """Sums by owner and resource. Domains stand in the same book as accounts."""

    TOPICS: ClassVar[tuple[str, ...]] = tuple(
        topic
        for topic, event in EVENTS.items()
        if (event.KIND in COUNTED and COUNTED[event.KIND].idle.get(topic) != ())
        or topic == "domain.updated"
    )

    def __init__(self) -> None:
        super().__init__()
        self._sums: Sums = {}
        # Of each row the number of its share.
        self._rows = Packed(share="I")
        self._shares: Interned[Share] = Interned()
        # By account and domain, weights and offering.
        self._same: dict[tuple[int, int | None, Weights, int | None], Share] = {}
        self._promised: Sums = {}
        self._promises: dict[int, list[Promise]] = {}

    def bind(self, tables: Tables) -> None:
        """Rows are weighed as these tables hold them."""
        self._tables = tables

    def count(self, owner_id: UUID, resource: str, offering_id: UUID | None = None) -> int:
        """What is on disk: all of an owner's, or what it has of one offering."""
        return _at(self._sums, _page(owner_id, offering_id), resource)

    def expected(self, owner_id: UUID, resource: str, offering_id: UUID | None = None) -> int:
        """What is on disk, and what is on its way there."""
        page = _page(owner_id, offering_id)
        return _at(self._sums, page, resource) + _at(self._promised, page, resource)

    def share_of(self, row_id: UUID) -> Share:
        """What a row is counted for."""
        return self._at(row_id.int)

    def weigh(self, noun: Counted, row: Any) -> Share:
        """What a row is to be counted for, as it is. Equal shares are one."""
        account_id: UUID | None = getattr(row, "account_id", None)
        weights = () if account_id is None else noun.weigh(row)
        if account_id is None or not weights:
            return NOTHING
        domain_id: UUID | None = getattr(row, "domain_id", None)
        if domain_id is None and (account := self._tables[accounts].get(account_id)) is not None:
            domain_id = account.domain_id
        offering_id: UUID | None = getattr(row, noun.offering) if noun.offering else None
        offering = None if offering_id is None else offering_id.int
        domain = None if domain_id is None else domain_id.int
        alike = account_id.int, domain, weights, offering
        share = self._same.get(alike)
        if share is None:
            owners = (account_id.int, *self._above(domain_id))
            share = self._same[alike] = Share(owners, weights, offering)
        return share

    def promise(self, promise: Promise) -> None:
        self._promises.setdefault(promise.stream, []).append(promise)
        _add(self._promised, promise.more, 1)

    def forget(self, promise: Promise) -> None:
        """It will not be, or it is on disk. Twice is once."""
        waiting = self._promises.get(promise.stream, [])
        if promise not in waiting:
            return
        waiting.remove(promise)
        if not waiting:
            del self._promises[promise.stream]
        _add(self._promised, promise.more, -1)

    def fold(self, recorded: Recorded) -> None:
        happened = recorded.event
        noun = COUNTED.get(happened.KIND)
        if noun is None:
            if "parent_id" in getattr(happened, "changed", ()):
                self._recount()
            return
        for promise in tuple(self._promises.get(recorded.stream.int, ())):
            self.forget(promise)
        self._follow(recorded.stream, noun.kind)

    def _charge(self, number: int, share: Share) -> None:
        before = self._at(number)
        if before is share:
            return
        _add(self._sums, sheet(before), -1)
        _add(self._sums, sheet(share), 1)
        if before is not NOTHING:
            self._rows.remove(number)
        if share is not NOTHING:
            self._rows.add(number, self._shares.number(share))

    def _at(self, number: int) -> Share:
        """What the row of this number is counted for."""
        found = self._rows.get(number)
        return NOTHING if found is None else self._shares.values[found[0]]

    def _above(self, domain_id: UUID | None) -> list[int]:
        """A domain and all above it."""
        found: list[int] = []
        table = self._tables[domains]
        while domain_id is not None:
            found.append(domain_id.int)
            row = table.get(domain_id)
            domain_id = None if row is None else row.parent_id
        return found

    def _recount(self) -> None:
        """From the rows alone: after a long past, and when a domain came below another one."""
        self._shares, self._same = Interned(), {}
        self._rows.fill(self._weighed())
        self._sum()

    def _weighed(self) -> Iterator[tuple[bytes, int]]:
        """The id of each row that weighs something, and the number of its share."""
        for noun in COUNTED.values():
            if noun.kind in TABLES:
                table = self._tables.table(noun.kind)
                for number in table.rows:
                    share = self.weigh(noun, table.glance(number))
                    if share is not NOTHING:
                        yield number.to_bytes(16, "big"), self._shares.number(share)

    def _sum(self) -> None:
        """Add up the shares of all rows."""
        self._sums = {}
        times = np.bincount(self._rows.columns()["share"])
        for share, some in zip(self._shares.values, times.tolist(), strict=False):
            _add(self._sums, sheet(share), some)

    def encode(self) -> bytes:
        """What there is, without promises; in an order that does not tell how it came to be."""
        told = {str(page): sorted(sums.items()) for page, sums in self._sums.items()}
        return msgspec.msgpack.encode(dict(sorted(told.items())))

    def saved(self) -> bytes:
        """What each row is counted for."""
        rows = self._rows.columns().copy()
        used, rows["share"] = np.unique(rows["share"], return_inverse=True)
        shares = [self._shares.values[number] for number in used.tolist()]
        told = [
            (list(map(_bytes, one.owners)), one.weights, one.offering and _bytes(one.offering))
            for one in shares
        ]
        return summed(msgspec.msgpack.encode(_Saved(told, rows.tobytes())))

    def restore(self, encoded: bytes) -> None:
        """Take over what was saved. ValidationError for what is damaged."""
        saved = msgspec.msgpack.decode(whole(encoded), type=_Saved)
        self._same = {}
        for ids, weights, offering_id in saved.shares:
            owners = tuple(map(int.from_bytes, ids))
            domain = owners[1] if len(owners) > 1 else None
            offering = None if offering_id is None else int.from_bytes(offering_id)
            share = Share(owners, weights, offering)
            self._same[owners[0], domain, weights, offering] = share
        self._shares = Interned(self._same.values())
        self._rows.take(saved.rows)
        self._sum()
        self._noted = {}

    def _note(self, recorded: Recorded) -> None:
        """When a domain comes below another one, nothing that was saved holds any more."""
        if recorded.event.KIND in COUNTED:
            super()._note(recorded)
        elif "parent_id" in getattr(recorded.event, "changed", ()):
            self._noted = None

    def _derive(self) -> None:
        self._recount()

    def _follow(self, row_id: UUID, kind: str) -> None:
        row = self._tables.table(kind).get(row_id)
        self._charge(row_id.int, NOTHING if row is None else self.weigh(COUNTED[kind], row))


def _bytes(number: int) -> bytes:
    """The bytes of the id of this number."""
    return number.to_bytes(16, "big")


def _page(owner_id: UUID, offering_id: UUID | None) -> Page:
    return owner_id.int if offering_id is None else (owner_id.int, offering_id.int)


def _at(book: Sums, page: Page, resource: str) -> int:
    sums = book.get(page)
    return 0 if sums is None else sums.get(resource, 0)


@lru_cache(maxsize=KEPT_SHEETS)
def sheet(share: Share, by_offering: bool = True) -> Sums:
    """What a share adds to each page of the book; to be read only."""
    own, offering_id = dict(share.weights), share.offering
    if offering_id is None or not by_offering:
        return dict.fromkeys(share.owners, own)
    return {page: own for owner in share.owners for page in (owner, (owner, offering_id))}


@lru_cache(maxsize=KEPT_SHEETS)
def more(moves: tuple[tuple[Share, Share], ...], by_offering: bool) -> Sums:
    """What there is more of once rows have gone from one share to another; to be read only.

    What one row leaves makes room for the others.
    """
    net: Sums = {}
    for before, after in moves:
        for share, sign in ((before, -1), (after, 1)):
            for page, amounts in sheet(share, by_offering).items():
                sums = net.setdefault(page, {})
                for resource, amount in amounts.items():
                    sums[resource] = sums.get(resource, 0) + sign * amount
    grown = {page: {n: some for n, some in own.items() if some > 0} for page, own in net.items()}
    return {page: own for page, own in grown.items() if own}


def _add(book: Sums, more: Sums, times: int) -> None:
    """Add to the book so many times, or take away; what comes to nothing leaves it."""
    for page, amounts in more.items():
        sums = book.get(page)
        if sums is None:
            sums = book[page] = {}
        for resource, amount in amounts.items():
            total = sums.get(resource, 0) + times * amount
            if total:
                sums[resource] = total
            else:
                sums.pop(resource, None)
        if not sums:
            del book[page]
