"""Write the published schemas to a folder: a file for each topic and shape, and AsyncAPI."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import orjson

from engine import asyncapi, schemas
from engine.nouns import load
from sagastack.commands import Commands
from sagastack.settings import Settings

PRETTY = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


def write(folder: Path, prefix: str = asyncapi.PREFIX) -> list[Path]:
    """The files that were written; what else lies in the folder stays."""
    load("aggregates")
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        schemas.name_of(topic, shape): told for (topic, shape), told in schemas.schemas().items()
    }
    files[asyncapi.DOCUMENT] = asyncapi.document(prefix)
    for name, told in files.items():
        (folder / name).write_bytes(orjson.dumps(told, option=PRETTY))
    return [folder / name for name in sorted(files)]


def add(commands: Commands) -> None:
    one = commands.command(
        "schemas",
        _run,
        "write a JSON Schema for each event, and AsyncAPI",
        example="sagastack schemas --out schemas",
        store=False,
    )
    one.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to")
    one.add_argument(
        "--topics", default=asyncapi.PREFIX, metavar="PREFIX", help="how Kafka's topics begin"
    )


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    files = write(args.out, args.topics)
    told = {"files": len(files), "out": str(args.out)}
    print(json.dumps(told) if args.json else f"wrote {len(files)} files to {args.out}")
    return 0
