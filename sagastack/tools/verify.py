"""Prove that the log is whole: nothing changed, dropped, inserted, or told out of order."""

from __future__ import annotations

from dataclasses import dataclass, field

from aggregates.base import Recorded, build
from aggregates.saga import SagaRun
from engine.log import Finding, load_public_key, read_seals
from engine.log import verify as verify_seals
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
            for finding in verify_seals(rows, seals, key, gapless=log.gapless):
                _note(result, finding)
        elif rows:
            result.notes.append("no seal has been made yet: start the server once")
        if not result.faults:
            async for batch in log.read():
                _lives(batch, result)
    return result


def _note(result: Verified, finding: Finding) -> None:
    (result.faults if finding.fault else result.notes).append(
        f"position {finding.position}: {finding.message}"
    )


def _lives(batch: list[Recorded], result: Verified) -> None:
    """A stream begins with an event that creates it, or is a ledger that needs none."""
    for recorded in batch:
        creates = recorded.event.CREATES
        if creates is not None and recorded.version != 1:
            result.faults.append(
                f"position {recorded.position}: {recorded.topic} begins a stream at version "
                f"{recorded.version}"
            )
        if creates is SagaRun:
            build(recorded)
