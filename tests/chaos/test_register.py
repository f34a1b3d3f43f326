"""The quick test of registers says what the search says, and decides what the search cannot."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.linear import Op, Outcome, check
from tests.chaos.models import Register
from tests.chaos.register import check_register

TIMES = st.integers(0, 12)


@st.composite
def histories(draw: st.DrawFn) -> list[Op]:
    """Few operations close together, so that about half of the histories are right."""
    writes, ops = draw(st.integers(0, 4)), []
    for value in range(1, writes + 1):
        began, took = draw(TIMES), draw(st.integers(0, 4))
        outcome = draw(st.sampled_from([Outcome.OK, Outcome.OK, Outcome.UNKNOWN, Outcome.FAILED]))
        ended = inf if outcome is Outcome.UNKNOWN else began + took
        ops.append(Op("write", (value,), began, ended, outcome))
    for _ in range(draw(st.integers(0, 4))):
        began, took = draw(TIMES), draw(st.integers(0, 4))
        got = draw(st.integers(0, writes))
        outcome = draw(st.sampled_from([Outcome.OK, Outcome.OK, Outcome.OK, Outcome.UNKNOWN]))
        ops.append(Op("read", (), began, began + took, outcome, got))
    return ops


@given(histories())
def test_it_says_what_the_search_says(history: list[Op]) -> None:
    slow, quick = check(Register(0), history), check_register(history, 0)
    assert quick.is_linear is slow.is_linear, f"{slow}\n{quick}"


def test_it_decides_a_crowd() -> None:
    """Many writers at once, whom a search tries in every order."""
    crowd = [Op("write", (n,), 0.0, 100.0 + n, Outcome.OK) for n in range(1, 400)]
    reads = [Op("read", (), 200.0 + n, 900.0, Outcome.OK, 7) for n in range(400)]
    assert check_register([*crowd, *reads], 0).is_linear
    between = Op("write", (1000,), 250.0, 260.0, Outcome.OK)
    assert check_register([*crowd, between, *reads], 0).is_linear is False


def test_a_value_that_came_and_went_within_another_is_seen() -> None:
    history = [
        Op("write", (1,), 0, 1, Outcome.OK),
        Op("write", (2,), 2, 3, Outcome.OK),
        Op("read", (), 4, 5, Outcome.OK, 1),
    ]
    verdict = check_register(history, 0)
    assert verdict.is_linear is False
    assert "NOT linearisable" in str(verdict) and verdict.stuck[0].args == (2,)
