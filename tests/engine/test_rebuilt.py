"""A cloud that was rebuilt, or loaded and carried on, is the live one in every field that it has.

What is compared is the whole of what tables and folds keep in memory, not what a checkpoint says
of it: so indexes, sums and books by holder are in it too. What lies packed is unpacked for it.
"""

from __future__ import annotations

import gc
import random
from array import array
from collections import OrderedDict, deque
from collections.abc import Iterable
from operator import itemgetter
from typing import Any
from uuid import UUID
from weakref import finalize

import numpy as np
import pytest
from msgspec import Struct
from msgspec.structs import asdict

from benchmarks.cloud import load_nouns
from engine.halves import OTHER_HALF
from engine.log import Stored, codec, past
from projections import promises, saga, shared
from projections.capacity import Capacity
from projections.capacity_columns import HostColumns, Trail
from projections.cloud import FOLDS, Cloud
from projections.cluster_sums import Sums
from projections.counts import Counts
from projections.index import Index
from projections.latest import Latest
from projections.packed import Packed
from projections.promises import Holds
from projections.table import TABLES, Table
from projections.usage_spans import OpenSpans
from tests.log import corpus

load_nouns()
# Where a fold looks, what it remembers of its own work, and who is to be told: not its state.
ROWS_AND_INDEXES = {"rows", "_index", "_text"}
NO_STATE = {
    "_tables",
    "_brings",
    "_cores",
    "_same",
    "_at_ms",
    "_moved",
    "_ways",
    "_unshared",
    "changed",
    "watch",
    "spec",
    "_keys",
    *("_form", "_common", "_usual", "_warm", "_words", "_columns"),
}
NUMBERED = {"zone": "places", "pod": "places", "cluster": "places", "_cluster": "places"}
NUMBERED |= {"hypervisor": "hypervisors", "tags": "tag_sets"}


def state(one: Any) -> Any:
    """All that an object holds, as plain values that can be compared and told apart."""
    if isinstance(one, Trail):
        return "what was noticed of late"
    if isinstance(one, HostColumns):
        return _hosts(one)
    if isinstance(one, Packed):
        return one.saved()
    if isinstance(one, Counts):
        told = ((key, one._shares.values[number]) for key, number in one._rows)
        return {"_sums": state(one._sums)} | {key: state(share) for key, share in told}
    if isinstance(one, Holds):
        return {key: state(held) for key, held in one.items()}
    if isinstance(one, OpenSpans):
        return sorted(one.every(), key=itemgetter(0))
    if isinstance(one, Latest):
        return tuple(state(line) for line in one)
    if isinstance(one, Struct):
        return type(one).__name__, state(asdict(one))
    if isinstance(one, OrderedDict):
        return [(state(key), state(value)) for key, value in one.items()]
    if isinstance(one, dict):
        return {state(key): state(value) for key, value in one.items()}
    if isinstance(one, (list, tuple, deque)):
        return tuple(state(each) for each in one)
    if isinstance(one, (array, np.ndarray)):
        return tuple(one.tolist())
    if isinstance(one, Table):
        kept = {k: state(v) for k, v in _fields(one) if k not in NO_STATE | ROWS_AND_INDEXES}
        rows = {row.id: state(row) for row in one}
        return kept | {"rows": rows, "_index": _index(one._index), "_text": _index(one._text)}
    if type(one).__module__.startswith(("projections", "aggregates")) and not _is_plain(one):
        return type(one).__name__, {k: state(v) for k, v in _fields(one) if k not in NO_STATE}
    return one


def _index(indexes: dict[str, Index]) -> Any:
    """The numbers of the rows of each entry, in order."""
    return {
        (name, key): [*index.of(key)]
        for name, index in indexes.items()
        for key, _ in index.counts()
    }


def _is_plain(one: Any) -> bool:
    return isinstance(one, (str, int, UUID))


def _fields(one: Any) -> Iterable[tuple[str, Any]]:
    names = list(getattr(one, "__dict__", ()))
    names += [name for base in type(one).__mro__ for name in getattr(base, "__slots__", ())]
    return [(name, getattr(one, name)) for name in names]


def _hosts(columns: HostColumns) -> Any:
    """By host, since places and tags are numbered in the order in which they were met."""
    found: dict[str, Any] = {"by": dict(columns.numbered)}
    for name, column in _fields(columns):
        if name in NUMBERED:
            values = getattr(columns, NUMBERED[name]).values
            supplied = zip(column[: len(columns)].tolist(), columns.supplies, strict=False)
            found[name] = [values[number] if supply else None for number, supply in supplied]
        elif isinstance(column, (array, np.ndarray)):
            found[name] = column[: len(columns)].tolist()
        elif isinstance(column, Sums):
            found[name] = {
                str(columns.places.values[at]): sums
                for at, sums in enumerate(zip(*_columns(column), strict=True))
                if any(sums)
            }
        elif isinstance(column, list):
            found[name] = state(column)
    return found


def _columns(sums: Sums) -> list[array[int]]:
    return [column for _, column in _fields(sums) if isinstance(column, array)]


def parts(cloud: Cloud) -> dict[str, Any]:
    tables = {kind: state(cloud.table(kind)) for kind in TABLES}
    return tables | {name: state(cloud.view(fold)) for name, fold in FOLDS.items()}


def differs(one: Cloud, other: Cloud) -> list[str]:
    mine, theirs = parts(one), parts(other)
    return [name for name in mine if mine[name] != theirs[name]]


WHOLE = [path for path in corpus.corpora() if path.name != corpus.SAMPLES]


@pytest.fixture(params=WHOLE, ids=lambda path: f"{path.parent.name}-{path.stem}")
def rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[Stored]:
    """A cloud's life as an earlier release wrote it; little is kept of what is over."""
    monkeypatch.setattr(saga, "KEPT_FINISHED", 5)
    monkeypatch.setattr(shared, "KEPT_UNSHARED", 20)
    monkeypatch.setattr(promises, "LATELY_KEPT", 4)
    return list(corpus.read(request.param))


def test_a_rebuilt_cloud_is_the_live_one(rows: list[Stored]) -> None:
    live, rebuilt = Cloud(), Cloud().defer()
    for row in rows:
        live.fold([codec.decode(row)])
    for at in range(0, len(rows), 50):
        told = past.events(past.join(rows[at : at + 50]))
        assert told is not None
        rebuilt.fold(told)
    assert differs(rebuilt.settle(), live) == []
    assert rebuilt.digest() == live.digest()


def test_one_whose_halves_were_folded_apart_is_the_live_one(rows: list[Stored]) -> None:
    """Each half is told only of what happens to it, and of what somebody did."""
    told, live, other = codec.decode_all(rows), Cloud(), Cloud().defer(OTHER_HALF)
    live.fold(told)
    rebuilt = Cloud().defer({*live.encode()} - OTHER_HALF)
    rebuilt.fold(one for one in told if one.topic in rebuilt.topics)
    other.fold(one for one in told if one.topic in other.topics or one.action)
    parts = other.settle().encode()
    rebuilt.take({name: parts[name] for name in OTHER_HALF}, other.position, other.at_ms)
    assert differs(rebuilt.settle(), live) == []
    assert rebuilt.digest() == live.digest()


def test_one_that_is_carried_on_from_a_checkpoint_is_the_live_one(rows: list[Stored]) -> None:
    told, live = codec.decode_all(rows), Cloud()
    at = random.Random(len(told)).randrange(1, len(told))
    live.fold(told[:at])
    onward = Cloud.deferred(live.save())
    live.fold(told[at:])
    onward.fold(told[at:])
    assert differs(onward.settle(), live) == []
    assert differs(Cloud.load(live.save()), live) == []


@pytest.mark.parametrize("carried_on", [False, True])
def test_one_that_nobody_has_any_more_is_gone_at_once(rows: list[Stored], carried_on: bool) -> None:
    """No circle holds it until the collector comes, who never walks a past: see `at_rest`."""
    told, cloud = codec.decode_all(rows), Cloud()
    if carried_on:
        cloud.fold(told[: len(told) // 2])
        cloud = Cloud.deferred(cloud.save())
    else:
        cloud.defer()
    gc.disable()
    try:
        cloud.fold(one for one in told if one.position > cloud.position)
        cloud.settle().digest()
        ends = [finalize(one, print) for one in (cloud, *cloud._parts().values())]
        del cloud
        assert not any(end.alive for end in ends)
    finally:
        gc.enable()


def test_a_difference_would_be_seen(rows: list[Stored]) -> None:
    told, one, other = codec.decode_all(rows), Cloud(), Cloud()
    one.fold(told)
    other.fold(told[:-1])
    assert differs(one, other)
    if len(hosts := one.view(Capacity).hosts):
        before = parts(one)["Capacity"]
        hosts.shift(0, -1, 0)
        assert parts(one)["Capacity"] != before
