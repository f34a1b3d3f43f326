"""Put a cloud back from its backups, whole or as it was at a moment, into an empty store."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from aggregates.saga import RunState
from aggregates.vm import VmState
from engine.clock import SystemClock
from engine.nouns import load
from sagastack.commands import Commands
from sagastack.settings import Settings
from sagastack.tools.moments import FORMS, Moment, iso
from sagastack.tools.opened import opened

MEANS = """Guests that were made later run on as strangers, and are left alone; those that were
removed later are found missing, and recorded as Stopped. What Kafka or anybody else has read
behind this point is of the former cloud: serve the restored one under another topic prefix.
Jobs that were under way go on at the first start. See docs/operating.md, "Going back"."""


def add(commands: Commands) -> None:
    one = commands.command(
        "restore",
        _run,
        "put backups back into an empty store, every hash checked first",
        example="""
            sagastack restore full.backup.gz --into sqlite:////srv/cloud/log.db --keys /safe
            sagastack restore full.gz since.gz --into postgres://cloud@db/cloud --until @81234
        """,
        store=False,
    )
    one.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a full one first")
    one.add_argument("--into", required=True, metavar="URL", help="sqlite:///... or postgres://...")
    one.add_argument(
        "--home",
        dest="into_home",
        type=lambda text: Path(text).resolve(),
        help="the data folder to fill (that of the SQLite file)",
    )
    one.add_argument(
        "--keys", type=Path, metavar="DIR", help="where secrets.db.key and seal.key lie (--home)"
    )
    one.add_argument(
        "--until", type=Moment.parse, default=Moment("now"), metavar="T", help=f"{FORMS}"
    )
    one.add_argument(
        "--same-cloud",
        action="store_true",
        help="it remains the cloud it was: only for one that was stopped before the backup",
    )


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    from sagastack.backups.restore import Wish, restore
    from sagastack.backups.targets import target

    load("aggregates")
    home = args.into_home or target(args.into).home or settings.home
    now_ms, until = SystemClock().now_ms(), args.until
    at_ms = now_ms - until.ago_ms if until.ago_ms is not None else until.at_ms
    wish = Wish(
        files=args.files,
        into=args.into,
        home=home,
        seals=settings.seals or home,
        keys=args.keys or home,
        position=until.position,
        at_ms=at_ms,
        new_id=None if args.same_cloud else uuid4(),
    )
    done = await asyncio.to_thread(
        restore,
        wish,
        now_ms=now_ms,
        say=lambda rows: print(f"{rows} events", file=sys.stderr),
    )
    async with opened(replace(settings, home=home, store=args.into)) as (_, past):
        cloud = await past.rebuild()
    jobs = sum(one.state in (RunState.RUNNING, RunState.UNDOING) for one in cloud.table("saga"))
    guests = sum(one.state is VmState.RUNNING for one in cloud.table("vm"))
    told = {
        "ok": True,
        "into": done.into,
        "home": str(home),
        "position": done.position,
        "at_ms": done.at_ms,
        "left_out_positions": done.left_out,
        "sealed_to": done.sealed_to,
        "former_cloud": str(done.former),
        "cloud": str(done.cloud),
        "taken_up": done.resumed,
        "events": done.proved.events,
        "root": done.proved.root,
        "replayed_to": cloud.position,
        "jobs_under_way": jobs,
        "guests_running": guests,
        "notes": done.notes,
    }
    if args.json:
        print(json.dumps(told))
        return 0
    print(
        f"restored up to position {done.position} ({iso(done.at_ms)}) into {done.into} and {home}"
    )
    print(f"proved again as it lies there, and replayed: {done.proved.events} events")
    print(f"by this log {guests} guests run, and {jobs} jobs are under way")
    for line in done.notes:
        print(f"note: {line}")
    if done.cloud != done.former:
        print(f"it is cloud {done.cloud} from here on, no longer {done.former}. {MEANS}")
    return 0
