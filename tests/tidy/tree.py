"""The tracked tree as the tidy tests see it: what `git ls-files` names, read and parsed once."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("aggregates", "engine", "projections", "drivers", "api", "sagastack")
"""The folders that run in a cloud. The others are tools around it: they may print and wait."""


@dataclass(frozen=True)
class Module:
    """One Python file: its path from the root, its lines, its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def in_product(self) -> bool:
        return self.path.split("/")[0] in PRODUCT

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node

    def calls(self) -> Iterator[tuple[str, int]]:
        """Every call by its full dotted name, import aliases undone, with its line."""
        names = self._imported()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                head, _, rest = ast.unparse(node.func).partition(".")
                yield names.get(head, head) + ("." + rest if rest else ""), node.lineno

    def _imported(self) -> dict[str, str]:
        names: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names |= {a.asname: a.name for a in node.names if a.asname}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
        return names


@cache
def tracked() -> tuple[str, ...]:
    """Paths of all tracked files that are there, from the root."""
    # The tree may belong to another user than the one who tests, as in a container.
    git = ("git", "-c", "safe.directory=*", "ls-files", "-z")
    done = subprocess.run(git, cwd=ROOT, capture_output=True, check=True, timeout=30)
    names = done.stdout.decode().split("\0")
    return tuple(name for name in names if name and (ROOT / name).is_file())


@cache
def modules() -> tuple[Module, ...]:
    """Every tracked Python file."""
    found = []
    for name in tracked():
        if name.endswith(".py"):
            text = (ROOT / name).read_text()
            found.append(Module(name, text, ast.parse(text, filename=name)))
    return tuple(found)
