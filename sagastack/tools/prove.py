"""Give a tenant the proof of its own past, without showing anybody else's."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from uuid import UUID

from engine.clock import SystemClock
from engine.nouns import load
from sagastack.commands import Commands
from sagastack.release import release
from sagastack.settings import Settings
from sagastack.tools.naming import find
from sagastack.tools.opened import opened


def add(commands: Commands) -> None:
    one = commands.command(
        "prove",
        _run,
        "write one account's events, each with its proof, for `sagastack verify` anywhere",
        example="sagastack prove --account acme --out acme.proof.gz",
    )
    one.add_argument("--account", required=True, metavar="ACCOUNT", help="name or id")
    one.add_argument("--out", type=Path, required=True, metavar="FILE")


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    from sagastack.backups import sources
    from sagastack.proofs.check import STATED
    from sagastack.proofs.tenant import write
    from sagastack.proofs.whose import of_store

    load("aggregates")
    account = await _account(settings, args.account)
    settings = of_store(settings)
    secrets = await asyncio.to_thread(sources.secrets, settings.store_url, settings.home)
    signer = sources.signing_key(settings.seals_folder, secrets, settings.vault_key)
    done = await asyncio.to_thread(
        write,
        settings.store_url,
        settings.seals_folder,
        account,
        args.out,
        at_ms=SystemClock().now_ms(),
        release=release(),
        signer=signer,
        say=lambda rows: print(f"{rows} events", file=sys.stderr),
    )
    stated = done.stated
    if args.json:
        told = {
            "ok": True,
            "file": str(done.path),
            "sha256": done.sha256,
            "cloud": str(stated.cloud),
            "account": str(stated.account),
            "events": stated.events,
            "root": stated.root,
            "position": stated.seal.last,
            "seal": stated.seal.number,
            "not_sealed_yet": done.unsealed,
        }
        print(json.dumps(told))
        return 0
    print(f"{done.path}: {stated.events} events up to position {stated.seal.last}")
    print(STATED)
    if done.unsealed:
        print(f"note: {done.unsealed} newer events are not sealed yet: prove again in a minute")
    print("hand out seal.pub by another way than this file")
    return 0


async def _account(settings: Settings, text: str) -> UUID:
    """An account by its id; by its name, the only one that is or was called so."""
    try:
        return UUID(text)
    except ValueError:
        async with opened(settings) as (log, history):
            cloud = await history.latest()
            return await find(log, [cloud], "account", text, cloud.position, alone=True)
