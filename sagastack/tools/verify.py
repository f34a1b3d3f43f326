"""Prove that the log is whole: nothing changed, dropped, inserted, or told out of order."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from aggregates.base import AGGREGATES, Recorded
from engine.log import Finding, load_public_key, read_seals
from engine.log import verify as verify_seals
from sagastack.commands import Commands
from sagastack.settings import Settings
from sagastack.tools.opened import opened

PAGE = 5000


@dataclass(slots=True)
class Verified:
    """`faults` prove damage; `notes` (such as events that no seal covers yet) do not."""

    events: int = 0
    seals: int = 0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


async def verify(settings: Settings) -> Verified:
    """Seals against rows, every event against its schema, every stream against its own rules."""
    result = Verified()
    async with opened(settings) as (log, _):
        rows = []
        after = 0
        while page := await log.read_stored(after, limit=PAGE):
            rows += page
            after = page[-1].position
        result.events = len(rows)
        seals_file = settings.home / "seals.jsonl"
        if seals_file.exists():
            seals = read_seals(seals_file)
            result.seals = len(seals)
            key = load_public_key(settings.home)
            for finding in verify_seals(rows, seals, key):
                _note(result, finding)
        elif rows:
            result.notes.append("no seal has been made yet: start the server once")
        if not result.faults:
            lives = Lives()
            async for batch in log.read():
                result.faults.extend(lives.faults(batch))
    return result


def _note(result: Verified, finding: Finding) -> None:
    (result.faults if finding.fault else result.notes).append(
        f"position {finding.position}: {finding.message}"
    )


class Lives:
    """Whether every stream is the life of one thing: begun once, of one kind, silent after its end.

    Ledgers (of capacity, an address, a name) are no things: they begin with any of their events.
    """

    def __init__(self) -> None:
        self._kinds: dict[UUID, str] = {}
        self._ended: set[UUID] = set()

    def faults(self, batch: list[Recorded]) -> Iterator[str]:
        for recorded in batch:
            event, stream = recorded.event, recorded.stream
            trouble = ""
            if stream in self._ended:
                trouble = "comes after the end of its stream"
            elif self._kinds.setdefault(stream, event.KIND) != event.KIND:
                trouble = f"is in the stream of a {self._kinds[stream]}"
            elif (event.CREATES is not None) != (
                recorded.version == 1
            ) and event.KIND in AGGREGATES:
                trouble = f"is at version {recorded.version} of its stream"
            if event.REMOVES:
                self._ended.add(stream)
            if trouble:
                yield f"position {recorded.position}: {recorded.topic} {trouble}"


def add(commands: Commands) -> None:
    commands.command(
        "verify",
        _run,
        "prove that the log is whole",
        example="sagastack verify --json",
    )


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    done = await verify(settings)
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
