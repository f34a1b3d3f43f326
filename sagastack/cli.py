"""The `sagastack` command: serve a cloud, and look into one.

Every other command is a tool that adds itself: see `commands.py`. A controller with all its parts
is imported where one is served, as no tool needs it.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from threading import Thread

import uvloop

from aggregates.errors import NotFound
from drivers.contract.errors import DriverError
from engine.collector import at_rest, settle
from engine.log import LogError
from engine.tasks import leaves
from engine.threads import Threads
from engine.vault import VaultError
from sagastack import open_files
from sagastack.backups.home import unfinished
from sagastack.client import Refusal
from sagastack.commands import Commands, Tool, add_all, until_stopped
from sagastack.output import in_words, reader_gone, whole_output
from sagastack.release import release
from sagastack.settings import BadSetting, Settings
from sagastack.tools.moments import joined

SERVING = ("serve", "quickstart")
VALUED = ("--home", "--log-level")
"""Options before a command that have a value."""
CHOSEN = (
    "home", "port", "host", "integration_port", "store", "kafka", "seals", "new_sealed_store",
)  # fmt: skip
"""Options of any command that are settings, where the command has them."""


QUIET = {"debug": logging.INFO}
# Errors whose text is all that people need.
TOLD = (BadSetting, LogError, VaultError, NotFound, Refusal, DriverError, OSError)


def main(argv: list[str] | None = None) -> int:
    """Run one command; its exit status is 0 only where all was well."""
    _open_streams()
    if not faulthandler.is_enabled():  # Else a fault in a native library ends us without a word.
        faulthandler.enable(2)
    words = joined(sys.argv[1:] if argv is None else argv)
    args = parser(tools=asked(words) not in SERVING).parse_args(words)
    logging.basicConfig(
        level=getattr(logging, args.log_level.upper()),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    # What Kafka's client says of every lost connection, our own parts say once.
    logging.getLogger("aiokafka").setLevel(QUIET.get(args.log_level, logging.CRITICAL))
    tool: Tool = args.tool
    try:
        settings = Settings.from_environment(**{name: getattr(args, name, None) for name in CHOSEN})
        with whole_output():
            return uvloop.run(tool(args, settings))
    except KeyboardInterrupt:
        return 130
    except TOLD as error:
        if isinstance(error, BrokenPipeError) and reader_gone():
            return 0
        print(f"sagastack: {in_words(error)}", file=sys.stderr)
        return 1
    except ExceptionGroup as several:  # what ended a running controller
        told, rest = several.split(TOLD)
        if rest is not None or told is None:
            raise
        for line in leaves(told):
            print(f"sagastack: {in_words(line)}", file=sys.stderr)
        return 1


def _open_streams() -> None:
    """Let a standard stream that whoever began us has closed lead nowhere.

    Else the next file that is opened gets its number, and libuv, which closes none such, ends us.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(number, "w" if number else "r"))


def asked(words: Sequence[str]) -> str:
    """The command of a line; empty where it has none."""
    rest = iter(words)
    for word in rest:
        if word in VALUED:
            next(rest, "")
        elif not word.startswith("-"):
            return word
    return ""


def parser(*, tools: bool = True) -> argparse.ArgumentParser:
    """All commands; who serves has no use for the tools, which import a hundred modules."""
    top = argparse.ArgumentParser(prog="sagastack", description=__doc__.partition("\n")[0])
    top.add_argument("--version", action="version", version=f"sagastack {release()}")
    top.add_argument("--home", type=lambda text: Path(text).resolve(), help="data folder")
    top.add_argument("--log-level", default="warning", choices=["debug", "info", "warning"])
    commands = Commands(top)
    for name, tool, about in (
        ("serve", _serve, "continue the cloud in the data folder, or start an empty one"),
        ("quickstart", _quickstart, "serve, with a first zone and a first guest"),
    ):
        one = commands.command(name, tool, about, json=False)
        one.add_argument("--host", help="address to listen on (127.0.0.1)")
        one.add_argument("--port", type=int, help="port to listen on (8080; 0 for any)")
        one.add_argument("--kafka", help="host:port: be one of several controllers on the store")
        one.add_argument("--seals", type=lambda text: Path(text).resolve(), help="where seals go")
        one.add_argument("--integration-port", type=int, help="unauthenticated, loopback only")
        one.add_argument(
            "--new-sealed-store", action="store_true", default=None,
            help="begin an empty one where it is lost, with all passwords and keys",
        )  # fmt: skip
    if tools:
        from sagastack import doctor
        from sagastack import tools as folder

        doctor.add(commands)
        add_all(commands, folder)
    return top


async def _serve(args: argparse.Namespace, settings: Settings) -> int:
    with _modules():
        from sagastack.boot import controller

    _refuse_half_restored(settings)
    open_files.allow_all()
    asyncio.get_running_loop().set_default_executor(Threads())
    stopped = until_stopped()
    async with controller(settings) as cloud:
        print(f"the console is at {cloud.console}", flush=True)
        print(f"sagastack serves {cloud.endpoint} from {settings.home}", flush=True)
        await stopped.wait()
    return 0


async def _quickstart(args: argparse.Namespace, settings: Settings) -> int:
    with _modules():
        from sagastack.quickstart import quickstart

    _refuse_half_restored(settings)
    open_files.allow_all()
    asyncio.get_running_loop().set_default_executor(Threads())
    stopped = until_stopped()
    async with quickstart(settings, say=lambda line: print(line, flush=True)):
        await stopped.wait()
    return 0


@contextmanager
def _modules() -> Iterator[None]:
    """A thousand modules are imported. What aiohttp reads meanwhile, all root certificates twice,
    takes a fifth as long as they do, and another core can do it."""
    with at_rest():
        Thread(target=import_module, args=("aiohttp",), daemon=True).start()
        yield
        settle(sweep=False)


def _refuse_half_restored(settings: Settings) -> None:
    """A controller would begin a new cloud over what is there of the old one."""
    if why := unfinished(settings.home):
        raise BadSetting(why)


if __name__ == "__main__":
    sys.exit(main())
