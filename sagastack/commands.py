"""How a tool becomes a command: its module says so itself, so no two tools share a line.

A module of `sagastack/tools/` with a function `add(commands)` is found at start-up. Imports that
cost time or may be missing (pyarrow, Kafka, the engine) stand inside the tool's own function, as
every command imports every module.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import pkgutil
import signal
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from sagastack.settings import Settings

Tool = Callable[[argparse.Namespace, Settings], Coroutine[Any, Any, int]]


class Commands:
    """The commands of one parser. A tool returns its exit status: 0 only where all holds."""

    def __init__(self, top: argparse.ArgumentParser) -> None:
        self._commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(
        self,
        name: str,
        tool: Tool,
        about: str,
        *,
        example: str = "",
        json: bool = True,
        store: bool = True,
    ) -> argparse.ArgumentParser:
        """Register `sagastack NAME`; the caller adds its own arguments to what is returned.

        `example`: lines that may be typed as they stand. `json` and `store`: whether it has
        `--json` and `--store URL`, which lands in its settings.
        """
        one = self._commands.add_parser(
            name,
            help=about,
            description=about,
            epilog=f"example:\n{_indented(example)}" if example else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        one.set_defaults(tool=tool)
        if json:
            one.add_argument("--json", action="store_true", help="for programs")
        if store:
            one.add_argument(
                "--store",
                metavar="URL",
                help="postgres://... or sqlite:///..., instead of log.db in the data folder",
            )
        return one


def until_stopped() -> asyncio.Event:
    """Set when the process is asked to end: for commands that serve until then."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def _indented(text: str) -> str:
    return "\n".join(f"  {line.strip()}" for line in text.strip().splitlines())


def add_all(commands: Commands, package: ModuleType) -> None:
    """Let every module of a package add its commands, in the order of their names."""
    for module in modules(package):
        if (add := getattr(module, "add", None)) is not None:
            add(commands)


def modules(package: ModuleType) -> Iterator[ModuleType]:
    folder = Path(str(package.__file__)).parent
    for found in pkgutil.iter_modules([str(folder)]):
        yield importlib.import_module(f"{package.__name__}.{found.name}")
