"""What is not needed is not imported: a start is as quick as what it brings in is little."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sagastack import cli

CHILD_S = 120.0
# Clients of what only some clouds have: each takes a tenth of a second and more.
SOME_HAVE = {
    "aiokafka", "asyncssh", "libvirt", "opentelemetry", "psycopg", "psycopg_pool", "pyVmomi",
    "pyarrow", "pycdlib", "pyghmi", "pypsrp", "pysnmp",
}  # fmt: skip
SERVES = """
import asyncio, json, sys
from pathlib import Path
from sagastack import cli
from sagastack.boot import controller
from sagastack.settings import Settings

async def main():
    cli.parser(tools=False)
    async with controller(Settings(home=Path(sys.argv[1]), port=0)):
        print(json.dumps(sorted(sys.modules)))

asyncio.run(main())
"""
TOOLS = """
import json, sys
from sagastack import cli

cli.parser()
print(json.dumps(sorted(sys.modules)))
"""


def imported(program: str, home: Path) -> set[str]:
    """The modules that a process of its own has imported in the end."""
    quiet = {name: said for name, said in os.environ.items() if not name.startswith("SAGASTACK_")}
    child = subprocess.run(
        (sys.executable, "-c", program, str(home)),
        capture_output=True, text=True, timeout=CHILD_S, env=quiet, check=False,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    return set(json.loads(child.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("", ""),
        ("--version", ""),
        ("serve --port 0", "serve"),
        ("--home serve --log-level info export --until 5", "export"),
        ("--home=x serve", "serve"),
    ],
)
def test_the_command_of_a_line_is_its_first_word(line: str, found: str) -> None:
    assert cli.asked(line.split()) == found


@pytest.mark.parametrize(
    ("program", "never"),
    [
        (SERVES, SOME_HAVE | {"cryptography.x509", "sagastack.tools.export"}),
        (TOOLS, SOME_HAVE | {"aiohttp", "numpy", "sagastack.boot", "api.commands"}),
    ],
    ids=["a controller on SQLite", "a tool"],
)
def test_a_start_imports_no_client_that_it_does_not_use(
    program: str, never: set[str], tmp_path: Path
) -> None:
    found = imported(program, tmp_path)
    assert "aggregates.base" in found
    assert not never & found
