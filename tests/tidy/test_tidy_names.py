"""A number that has a unit says it in its name: `timeout_s`, `memory_mib`, never just `timeout`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.tidy.tree import Module, modules

TIMES = ("timeout", "delay", "interval", "duration", "deadline", "elapsed", "grace", "age")
AMOUNTS = ("memory", "size", "capacity", "bandwidth", "speed")
NEEDS_UNIT = frozenset(TIMES + AMOUNTS)
COUNTS = frozenset({"page_size", "batch_size"})
"""These count things, so there is no unit to name."""


def numbers(module: Module) -> Iterator[tuple[str, int]]:
    """Every field or argument that is annotated as an int or a float."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name, annotation = node.target.id, node.annotation
        elif isinstance(node, ast.arg) and node.annotation is not None:
            name, annotation = node.arg, node.annotation
        else:
            continue
        if ast.unparse(annotation).removesuffix(" | None") in ("int", "float"):
            yield name, node.lineno


def test_numbers_carry_their_unit() -> None:
    bare = [
        f"{module.path}:{line} {name}"
        for module in modules()
        if module.in_product
        for name, line in numbers(module)
        if name.rsplit("_", 1)[-1] in NEEDS_UNIT and name not in COUNTS
    ]
    assert not bare, "put the unit last:\n" + "\n".join(bare)
