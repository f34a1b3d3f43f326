"""Files, functions and lines stay small enough to be read in one go."""

from __future__ import annotations

import ast

from tests.tidy.tree import ROOT, modules, tracked

FILE_LINES = 600
FUNCTION_LINES = 70
COLUMNS = 100
WRITTEN_BY_HAND = (".py", ".sh", ".ts", ".js", ".css")


def test_no_file_is_longer_than_600_lines() -> None:
    long = []
    for name in tracked():
        if name.endswith(WRITTEN_BY_HAND):
            lines = len((ROOT / name).read_text().splitlines())
            if lines > FILE_LINES:
                long.append(f"{name} has {lines} lines")
    assert not long, "split by noun or by layer:\n" + "\n".join(long)


def test_no_function_is_longer_than_70_lines() -> None:
    long = []
    for module in modules():
        for function in module.functions():
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > FUNCTION_LINES:
                long.append(f"{module.path}:{function.lineno} {function.name} has {lines} lines")
    assert not long, "name its parts:\n" + "\n".join(long)


def test_no_line_is_wider_than_100_columns() -> None:
    wide = []
    for module in modules():
        for number, line in enumerate(module.text.splitlines(), 1):
            if len(line) > COLUMNS:
                wide.append(f"{module.path}:{number} has {len(line)} columns")
    assert not wide, "\n".join(wide)


def test_every_module_says_what_it_is() -> None:
    silent = [
        module.path
        for module in modules()
        if module.text.strip() and not ast.get_docstring(module.tree)
    ]
    assert not silent, "begin with a docstring, its first line a claim:\n" + "\n".join(silent)
