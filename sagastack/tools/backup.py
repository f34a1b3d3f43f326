"""Keep a copy of a cloud that can be proved and restored, taken while it runs."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from engine.clock import SystemClock
from engine.nouns import load
from sagastack.commands import Commands
from sagastack.release import release
from sagastack.settings import Settings


def add(commands: Commands) -> None:
    one = commands.command(
        "backup",
        _run,
        "copy log, seals and sealed secrets into one file, beside a running server",
        example="""
            sagastack backup --out /backups
            sagastack backup --out /backups --since /backups/sagastack-....backup.gz
        """,
    )
    one.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR|FILE",
        help="in a folder it names itself; one that is not there is made, a FILE.gz is a file",
    )
    one.add_argument(
        "--since", type=Path, metavar="BACKUP", help="only what came behind this earlier one"
    )


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    from sagastack.backups.take import take
    from sagastack.proofs.whose import of_store

    load("aggregates")
    settings = of_store(settings)
    if not args.out.suffix:
        args.out.mkdir(mode=0o700, parents=True, exist_ok=True)
    done = await asyncio.to_thread(
        take,
        settings.store_url,
        settings.home,
        args.out,
        at_ms=SystemClock().now_ms(),
        release=release(),
        seals=settings.seals_folder,
        master=settings.vault_key,
        since=args.since,
        say=lambda rows: print(f"{rows} events", file=sys.stderr),
    )
    told = {
        "ok": True,
        "file": str(done.path),
        "sha256": done.sha256,
        "cloud": str(done.begin.cloud),
        "after": done.begin.after,
        "position": done.end.position,
        "at_ms": done.end.at_ms,
        "events": done.end.rows,
        "seals": done.end.seals,
        "sealed_to": done.end.sealed_to,
        "secrets": done.end.secrets,
        "root": done.end.root,
        "signed": bool(done.end.signature),
        "notes": done.notes,
    }
    if args.json:
        print(json.dumps(told))
        return 0
    print(f"{done.path}: {done.end.rows} events up to position {done.end.position}, ", end="")
    print(f"{done.end.secrets} sealed secrets; hash {done.sha256}")
    for line in done.notes:
        print(f"note: {line}")
    print(f"{settings.vault_key} (opens the secrets) and seal.key (goes on sealing) are NOT in it:")
    print("keep copies of both apart from it")
    return 0
