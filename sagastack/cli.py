"""The `sagastack` command: serve a cloud, and look into one."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop

from aggregates.errors import NotFound
from drivers.contract.errors import DriverError
from engine.log import LogError
from engine.vault import VaultError
from sagastack import doctor
from sagastack.boot import controller
from sagastack.client import Refusal
from sagastack.quickstart import quickstart
from sagastack.settings import BadSetting, Settings
from sagastack.tools import credentials, export, history, replay, verify

Tool = Callable[[argparse.Namespace, Settings], Coroutine[Any, Any, int]]


def main(argv: list[str] | None = None) -> int:
    """Run one command; its exit status is 0 only where all was well."""
    args = parser().parse_args(argv)
    logging.basicConfig(
        level=getattr(logging, args.log_level.upper()),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    tool: Tool = args.tool
    try:
        settings = Settings.from_environment(
            home=args.home,
            port=getattr(args, "port", None),
            host=getattr(args, "host", None),
            integration_port=getattr(args, "integration_port", None),
            store=getattr(args, "store", None),
        )
        return uvloop.run(tool(args, settings))
    except (BadSetting, LogError, VaultError, NotFound, Refusal, DriverError, OSError) as error:
        print(f"sagastack: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="sagastack", description=__doc__)
    top.add_argument("--home", type=lambda text: Path(text).resolve(), help="data folder")
    top.add_argument("--log-level", default="warning", choices=["debug", "info", "warning"])
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, tool: Tool, about: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=about, description=about)
        one.set_defaults(tool=tool)
        return one

    for name, tool, about in (
        ("serve", _serve, "continue the cloud in the data folder, or start an empty one"),
        ("quickstart", _quickstart, "serve, with a first zone and a first guest"),
    ):
        one = command(name, tool, about)
        one.add_argument("--host", help="address to listen on (127.0.0.1)")
        one.add_argument("--port", type=int, help="port to listen on (8080; 0 for any)")
        one.add_argument("--store", help="postgres://... instead of SQLite in the data folder")
        one.add_argument("--integration-port", type=int, help="unauthenticated, loopback only")
    for name, tool, about in (
        ("credentials", _credentials, "how the first admin gets in"),
        ("replay", _replay, "rebuild every projection from the log and compare"),
        ("verify", _verify, "prove that the log is whole"),
        ("doctor", _doctor, "what is wrong with this installation, and what to do"),
    ):
        command(name, tool, about).add_argument("--json", action="store_true")
    one = command("history", _history, "the life of one thing")
    one.add_argument("kind", help="vm, volume, host, zone, saga, ...")
    one.add_argument("id", help="its id, or the name of one that is alive")
    one.add_argument("--json", action="store_true")
    one = command("export", _export, "events as JSON lines")
    one.add_argument("--after", type=int, default=0, help="only events behind this position")
    one.add_argument("--until", type=int, help="only events up to this position")
    return top


async def _serve(args: argparse.Namespace, settings: Settings) -> int:
    stopped = _until_stopped()
    async with controller(settings) as cloud:
        print(f"sagastack serves {cloud.endpoint} from {settings.home}", flush=True)
        await stopped.wait()
    return 0


async def _quickstart(args: argparse.Namespace, settings: Settings) -> int:
    stopped = _until_stopped()
    async with quickstart(settings, say=lambda line: print(line, flush=True)):
        await stopped.wait()
    return 0


def _until_stopped() -> asyncio.Event:
    """Set when the process is asked to end."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


async def _credentials(args: argparse.Namespace, settings: Settings) -> int:
    found = await credentials.credentials(settings)
    if args.json:
        print(json.dumps(found))
    else:
        print("\n".join(f"{name:<10} {value}" for name, value in found.items()))
    return 0


async def _history(args: argparse.Namespace, settings: Settings) -> int:
    async for told in history.history(settings, args.kind, args.id):
        print(json.dumps(told) if args.json else history.sentence(told))
    return 0


async def _replay(args: argparse.Namespace, settings: Settings) -> int:
    done = await replay.replay(settings)
    rate = done.events / done.seconds if done.seconds else 0.0
    if args.json:
        told: dict[str, Any] = {"events": done.events, "differing": done.differing}
        print(json.dumps(told | {"ok": not done.differing, "seconds": round(done.seconds, 3)}))
    else:
        print(f"{done.events} events folded into {done.parts} projections ({rate:.0f} events/s)")
        for name in done.differing:
            print(f"DIFFERS from the log: {name}")
        print("live and rebuilt are equal" if not done.differing else "delete the checkpoints")
    return 1 if done.differing else 0


async def _verify(args: argparse.Namespace, settings: Settings) -> int:
    done = await verify.verify(settings)
    if args.json:
        told = {"events": done.events, "seals": done.seals, "faults": done.faults}
        print(json.dumps(told | {"ok": not done.faults, "notes": done.notes}))
    else:
        for line in done.notes:
            print(f"note: {line}")
        for line in done.faults:
            print(f"FAULT: {line}")
        verdict = "is NOT whole" if done.faults else "is whole"
        print(f"the log of {done.events} events under {done.seals} seals {verdict}")
    return 1 if done.faults else 0


async def _doctor(args: argparse.Namespace, settings: Settings) -> int:
    checks = await doctor.examine(settings)
    if args.json:
        print(json.dumps([check.as_dict() for check in checks]))
    else:
        for check in checks:
            print(check)
    return 1 if any(not check.ok and check.needed for check in checks) else 0


async def _export(args: argparse.Namespace, settings: Settings) -> int:
    lines: AsyncIterator[bytes] = export.export(settings, after=args.after, until=args.until)
    async for line in lines:
        sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
