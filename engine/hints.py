"""One annotation of a function, evaluated: `get_type_hints` evaluates them all, at every start."""

from __future__ import annotations

from collections.abc import Callable
from types import NoneType
from typing import Any


def hint(fn: Callable[..., Any], name: str) -> Any:
    """What `fn` is annotated with under this name (`return` for what it gives), Any if nothing.

    NameError where that names what its module does not know.
    """
    written = fn.__annotations__.get(name, Any)
    if isinstance(written, str):
        written = eval(written, fn.__globals__)
    return NoneType if written is None else written
