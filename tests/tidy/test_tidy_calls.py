"""Time, randomness, tasks and output come in by argument: nothing reaches for them by itself.

That is what lets the simulation run a whole cloud on a virtual clock and repeat it from a seed.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

import pytest

from tests.tidy.tree import Module, modules


@dataclass(frozen=True)
class Ban:
    """Calls that match `pattern` stand only in files whose paths begin with one of `allowed`."""

    what: str
    pattern: str
    instead: str
    allowed: tuple[str, ...] = ()


TOUCHES_THE_MACHINE = ("sagastack/hostsetup/",)
BANS = (
    Ban(
        "the time of day",
        r"time\.(time|time_ns|localtime|gmtime)|datetime\.(datetime|date)\.(now|today|utcnow)",
        "take a Clock, or `at_ms`, as an argument",
        ("engine/clock.py",),
    ),
    Ban(
        "hidden randomness",
        r"random\.(?!Random\b)\w+|numpy\.random\.(?!default_rng\b|Generator\b)\w+",
        "take a random.Random(seed) as an argument",
    ),
    Ban(
        "a task that nobody awaits",
        r"asyncio\.(create_task|ensure_future)|(\w+\.)*(loop|get_running_loop\(\))\.create_task",
        "use asyncio.TaskGroup",
    ),
    Ban(
        "sleeping",
        r"asyncio\.sleep|time\.sleep",
        "take a Clock as an argument and sleep by it",
        (
            "engine/clock.py",
            "engine/log/lend.py",
            "engine/log/writer.py",
            "drivers/conformance/",
            *TOUCHES_THE_MACHINE,
        ),
    ),
    Ban("printing", r"print", "log, or return text to the caller", ("sagastack/",)),
)


def offences(ban: Ban, module: Module) -> list[str]:
    """Where `module` breaks `ban`, as lines for a person."""
    if not module.in_product or module.path.startswith(ban.allowed):
        return []
    pattern = re.compile(ban.pattern)
    return [
        f"{module.path}:{line} {name}: {ban.instead}"
        for name, line in module.calls()
        if pattern.fullmatch(name)
    ]


@pytest.mark.parametrize("ban", BANS, ids=lambda ban: ban.what)
def test_nothing_in_the_product_calls_for(ban: Ban) -> None:
    found = [line for module in modules() for line in offences(ban, module)]
    assert not found, f"{ban.what}:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("code", "bad"),
    [
        ("import time\ntime.time()", True),
        ("from time import time as t\nt()", True),
        ("from datetime import datetime\ndatetime.now()", True),
        ("import datetime as d\nd.datetime.now()", True),
        ("import random\nrandom.choice([1])", True),
        ("import random\nrandom.Random(7)", False),
        ("import asyncio\nasyncio.get_running_loop().create_task(x)", True),
        ("group.create_task(x)", False),
        ("from asyncio import sleep\nsleep(1)", True),
        ("clock.sleep(1)", False),
        ("print(1)", True),
        ("time.monotonic()", False),
    ],
)
def test_the_rules_see_through_imports(code: str, bad: bool) -> None:
    module = Module("engine/example.py", code, ast.parse(code))
    assert any(offences(ban, module) for ban in BANS) is bad


def test_every_exception_is_caught_in_one_place_at_most() -> None:
    """A broad catch hides bugs; one that only tidies up and raises again hides nothing."""
    broad = [
        f"{module.path}:{node.lineno}"
        for module in modules()
        if module.in_product
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and is_broad(node) and not raises_again(node)
    ]
    assert len(broad) <= 1, "name the errors you expect:\n" + "\n".join(broad)


def is_broad(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException"))
        for kind in kinds
    )


def raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None
