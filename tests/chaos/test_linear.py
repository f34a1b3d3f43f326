"""The history checker finds what is wrong, and finds nothing wrong with what is right."""

from __future__ import annotations

import random
from itertools import permutations
from typing import Any

import pytest

from tests.chaos.linear import Model, Op, Outcome, check
from tests.chaos.models import EXHAUSTED, LIMIT, Addresses, Limited, Register

TWO = Addresses(frozenset({"a", "b"}), (("x", 1), ("y", 2)))


def op(what: str, *args: Any, at: tuple[float, float], got: Any = None, how: str = "ok") -> Op:
    return Op(what, args, at[0], at[1], Outcome(how), got)


GOOD: list[tuple[str, Model, list[Op]]] = [
    ("nothing", Register(), []),
    (
        "a read beside a write sees the old or the new",
        Register(0),
        [
            op("write", 1, at=(0, 10)),
            op("read", at=(1, 2), got=0),
            op("read", at=(3, 4), got=1),
            op("read", at=(11, 12), got=1),
        ],
    ),
    (
        "a write of unknown outcome happens late",
        Register(0),
        [
            op("write", 1, at=(0, 1), how="unknown"),
            op("read", at=(5, 6), got=0),
            op("read", at=(7, 8), got=1),
        ],
    ),
    (
        "a write of unknown outcome never happens",
        Register(0),
        [op("write", 1, at=(0, 1), how="unknown"), op("read", at=(5, 6), got=0)],
    ),
    (
        "a failed write is not there",
        Register(0),
        [op("write", 1, at=(0, 1), how="failed"), op("read", at=(5, 6), got=0)],
    ),
    (
        "an address is had again once it was freed",
        TWO,
        [
            op("take", "y", at=(0, 1), got="a"),
            op("take", "x", at=(0, 1), got="b"),
            op("take", "y", at=(2, 3), got=EXHAUSTED),
            op("free", "y", "a", at=(4, 6)),
            op("take", "y", at=(5, 7), got="a"),
        ],
    ),
    (
        "a limit is met beside a release",
        TWO,
        [
            op("take", "x", at=(0, 1), got="a"),
            op("free", "x", "a", at=(2, 5)),
            op("take", "x", at=(3, 4), got=LIMIT),
            op("take", "x", at=(6, 7), got="a"),
        ],
    ),
    (
        "one who never got an answer may have the last address",
        TWO,
        [
            op("take", "x", at=(0, 1), how="unknown"),
            op("take", "y", at=(2, 3), got="a"),
            op("take", "y", at=(4, 5), got=EXHAUSTED),
        ],
    ),
]
GOOD += [
    (
        "one goes before the next comes",
        Limited(1),
        [op("add", at=(0, 1)), op("drop", at=(2, 5)), op("add", at=(3, 6))],
    ),
    (
        "one that may never have come",
        Limited(1),
        [op("add", at=(0, 1), how="unknown"), op("add", at=(2, 3))],
    ),
]
BAD: list[tuple[str, Model, list[Op]]] = [
    (
        "a read behind a write sees the old",
        Register(0),
        [op("write", 1, at=(0, 1)), op("read", at=(2, 3), got=0)],
    ),
    (
        "two reads in the wrong order",
        Register(0),
        [
            op("write", 1, at=(0, 10)),
            op("read", at=(1, 2), got=1),
            op("read", at=(3, 4), got=0),
        ],
    ),
    (
        "a write of unknown outcome comes and goes",
        Register(0),
        [
            op("write", 1, at=(0, 1), how="unknown"),
            op("read", at=(5, 6), got=1),
            op("read", at=(7, 8), got=0),
        ],
    ),
    (
        "what failed is read",
        Register(0),
        [op("write", 1, at=(0, 1), how="failed"), op("read", at=(5, 6), got=1)],
    ),
    (
        "one address twice",
        TWO,
        [op("take", "x", at=(0, 5), got="a"), op("take", "y", at=(1, 6), got="a")],
    ),
    (
        "beyond the limit, side by side",
        TWO,
        [op("take", "x", at=(0, 5), got="a"), op("take", "x", at=(1, 6), got="b")],
    ),
    (
        "exhausted while one is free",
        TWO,
        [op("take", "x", at=(0, 1), got="a"), op("take", "y", at=(2, 3), got=EXHAUSTED)],
    ),
    (
        "a limit that was not met",
        TWO,
        [op("take", "y", at=(0, 1), got="a"), op("take", "y", at=(2, 3), got=LIMIT)],
    ),
    (
        "more guests than may be",
        Limited(1),
        [op("add", at=(0, 5)), op("add", at=(3, 6)), op("drop", at=(7, 8))],
    ),
    (
        "more guests than may be, whatever became of one",
        Limited(1),
        [
            op("add", at=(0, 1)),
            op("drop", at=(4, 5), how="unknown"),
            op("add", at=(2, 3)),
        ],
    ),
    (
        "an address of no pool",
        TWO,
        [op("take", "x", at=(0, 1), got="c")],
    ),
    (
        "freed and never had",
        TWO,
        [op("free", "x", "a", at=(0, 1))],
    ),
    (
        "had again before it was freed",
        TWO,
        [
            op("take", "y", at=(0, 1), got="a"),
            op("take", "x", at=(2, 3), got="a"),
            op("free", "y", "a", at=(4, 5)),
        ],
    ),
]


@pytest.mark.parametrize(("name", "model", "history"), GOOD, ids=[one[0] for one in GOOD])
def test_what_is_right_is_allowed(name: str, model: Model, history: list[Op]) -> None:
    verdict = check(model, history)
    assert verdict.is_linear, verdict


@pytest.mark.parametrize(("name", "model", "history"), BAD, ids=[one[0] for one in BAD])
def test_what_is_wrong_is_found(name: str, model: Model, history: list[Op]) -> None:
    verdict = check(model, history)
    assert verdict.is_linear is False, verdict
    assert "NOT linearisable" in str(verdict)
    assert verdict.stuck, "it does not say what fits nowhere"


def by_force(model: Model, history: list[Op]) -> bool:
    """The same question, by trying every order of every choice of what has happened at all."""
    sure = [one for one in history if one.outcome is Outcome.OK]
    maybe = [one for one in history if one.outcome is Outcome.UNKNOWN]
    for chosen in range(1 << len(maybe)):
        ops = sure + [one for bit, one in enumerate(maybe) if chosen >> bit & 1]
        if any(_allowed(model, order) for order in permutations(ops)):
            return True
    return False


def _allowed(model: Model, order: tuple[Op, ...]) -> bool:
    latest, states = 0.0, {model.first()}
    for one in order:
        if one.end_s < latest:
            return False
        latest = max(latest, one.began_s)
        states = {after for state in states for after in model.after(state, one)}
    return bool(states)


def some_history(rng: random.Random) -> tuple[Model, list[Op]]:
    """A few operations at random, about half of such histories being possible."""
    ops = []
    is_register = rng.random() < 0.5
    for _ in range(rng.randint(1, 6)):
        began = rng.randint(0, 8) + rng.random() / 2
        at = (began, began + rng.randint(0, 4) + 0.5 + rng.random() / 4)
        how = rng.choice(["ok", "ok", "ok", "ok", "unknown", "failed"])
        if is_register:
            written = rng.random() < 0.4
            what = ("write", rng.randint(0, 2)) if written else ("read",)
            got = None if written else rng.randint(0, 2)
        else:
            account, address = rng.choice("xy"), rng.choice("ab")
            taken = rng.random() < 0.7
            what = ("take", account) if taken else ("free", account, address)
            got = rng.choice([address, address, LIMIT, EXHAUSTED]) if taken else None
        ops.append(op(*what, at=at, got=got, how=how))
    return Register(0) if is_register else TWO, ops


def test_it_says_what_trying_every_order_says() -> None:
    found = {True: 0, False: 0}
    for seed in range(1200):
        model, history = some_history(random.Random(seed))
        verdict, truth = check(model, history), by_force(model, history)
        assert verdict.is_linear is truth, (seed, [str(one) for one in history], verdict)
        found[truth] += 1
    assert min(found.values()) > 200, f"the histories are all alike: {found}"


def test_many_operations_side_by_side_are_decided() -> None:
    """As many as a run of the cluster makes: twelve clients and five hundred operations."""
    rng, taken, clock = random.Random(7), dict[str, str](), 0.0
    pool = [f"192.0.2.{n}" for n in range(8)]
    model = Addresses(frozenset(pool), (("x", 5), ("y", 5)))
    history = []
    for _ in range(500):
        clock += 0.1
        at = (clock - rng.random() * 0.5, clock + rng.random() * 0.5)
        account = rng.choice("xy")
        mine = [one for one, who in taken.items() if who == account]
        free = [one for one in pool if one not in taken]
        if mine and rng.random() < 0.45:
            del taken[mine[0]]
            history.append(op("free", account, mine[0], at=at))
            continue
        got = LIMIT if len(mine) == 5 else rng.choice(free) if free else EXHAUSTED
        if got in free:
            taken[got] = account
        history.append(op("take", account, at=at, got=got))
    verdict = check(model, history)
    assert verdict.is_linear, verdict
    lie = next(one for one in history[300:] if one.result == LIMIT)
    lie.result = next(one for one in pool if any(had.result == one for had in history[:300]))
    assert check(model, history).is_linear is False
