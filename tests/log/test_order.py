"""Any interleaving of units, joined into any batches, gives what the same units give one by one."""

from __future__ import annotations

import asyncio
import tempfile
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from aggregates.errors import Conflict
from engine.log import Append, Log, Stored, Unit
from tests.log.toys import made

STREAMS = [UUID(int=n) for n in range(1, 5)]

# Small numbers, so that right and wrong expectations meet often.
appends = st.dictionaries(
    st.sampled_from(STREAMS), st.tuples(st.integers(0, 4), st.integers(1, 2)), min_size=1
)
units = st.lists(appends, min_size=1, max_size=12)


def as_unit(number: int, wanted: dict[UUID, tuple[int, int]]) -> Unit:
    def one(stream: UUID, expected: int, count: int) -> Append:
        return made(stream, expected, *(f"{number}.{n}" for n in range(count)))

    return Unit(tuple(one(stream, *what) for stream, what in wanted.items()))


async def run(work: list[Unit], pauses: list[bool]) -> tuple[list[str], list[Stored]]:
    """Append everything; where `pauses` says so, wait for the answer before going on."""
    with tempfile.TemporaryDirectory() as folder:
        log = await Log.open(f"sqlite://{folder}/log.db", now_ms=lambda: 1)
        answers = []
        for unit, pause in zip(work, pauses, strict=True):
            answers.append(log.submit(unit))
            if pause:
                await asyncio.wait([answers[-1]], timeout=60)
        await asyncio.wait(answers, timeout=60)
        told = [
            "conflict"
            if isinstance(answer.exception(), Conflict)
            else str([(one.position, one.version) for one in answer.result()])
            for answer in answers
        ]
        rows = await log.read_stored()
        await log.close()
        return told, rows


def model(work: list[Unit]) -> tuple[list[bool], list[tuple[UUID, int]]]:
    """The same in six lines: what must be refused, and what the log must hold."""
    heads: dict[UUID, int] = {}
    refused, held = [], []
    for unit in work:
        refused.append(any(heads.get(a.stream, 0) != a.expected for a in unit.appends))
        for append in () if refused[-1] else unit.appends:
            heads[append.stream] = append.expected + len(append.events)
            held += [(append.stream, append.expected + n + 1) for n in range(len(append.events))]
    return refused, held


@settings(max_examples=40, deadline=None)
@given(units, st.data())
def test_batches_change_nothing(
    wanted: list[dict[UUID, tuple[int, int]]], data: st.DataObject
) -> None:
    work = [as_unit(number, one) for number, one in enumerate(wanted)]
    pauses = data.draw(st.lists(st.booleans(), min_size=len(work), max_size=len(work)))
    batched = asyncio.run(run(work, pauses))
    assert batched == asyncio.run(run(work, [True] * len(work)))
    refused, held = model(work)
    assert [answer == "conflict" for answer in batched[0]] == refused
    assert [(row.stream, row.version) for row in batched[1]] == held
    assert [row.position for row in batched[1]] == list(range(1, len(held) + 1))
