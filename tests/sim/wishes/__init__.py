"""What tenants and operators ask for: a function each, which chooses from what there is.

    @wish(5)
    def stop(who: Tenants) -> object | None: ...

It answers with an intent, or with None when there is nothing to ask about. The weight says how
often it comes up; each seed likes some things more and leaves others out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

Ask = Callable[[Any], object | None]


@dataclass(frozen=True, slots=True)
class Wish:
    """`always`: no seed goes without it, because it is what the others are about."""

    ask: Ask
    weight: int
    always: bool = False

    @property
    def theme(self) -> str:
        """The module that it is of."""
        return self.ask.__module__


WISHES: dict[str, Wish] = {}
# What only operators ask for.
OPERATORS: set[str] = set()


def wish(weight: int, *, always: bool = False, operator: bool = False) -> Callable[[Ask], Ask]:
    """Register a wish under its function's name."""

    def register(ask: Ask) -> Ask:
        name = getattr(ask, "__name__", "")
        assert name not in WISHES, f"two wishes are called {name}"
        WISHES[name] = Wish(ask, weight, always)
        if operator:
            OPERATORS.add(name)
        return ask

    return register


for _found in iter_modules(__path__):
    import_module(f"{__name__}.{_found.name}")
