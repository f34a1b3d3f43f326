"""What a host really runs against what the log says runs there. Pure: rows in, verdicts out.

the log says    seen running     seen off or crashed   not seen
runs here       fine             dead                  dead
at rest, ours   orphan           orphan                fine
a job is on it  wait             wait                  wait
a job ends it   orphan, if the log has it on another host
unknown, ours   orphan           orphan                -
never ours      stranger         stranger              -
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from drivers.contract.compute import GuestStatus, Power

GONE = "gone"
ALIVE = (Power.RUNNING, Power.PAUSED)


class Verdict(StrEnum):
    DEAD = "dead"
    ORPHAN = "orphan"
    STRANGER = "stranger"


@dataclass(frozen=True, slots=True)
class Desired:
    """A guest as the log has it. `is_here`: on the host that is being looked at.

    `is_ending`: whatever job has it leaves nothing of it.
    """

    is_here: bool
    is_busy: bool
    version: int
    is_ending: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing that is not as it should be. `version` is the row's when it was looked at."""

    verdict: Verdict
    guest_id: UUID | None
    name: str
    power: str
    version: int = 0


def compare(
    desired: Mapping[UUID, Desired], listed: Sequence[GuestStatus], ours: frozenset[UUID]
) -> Iterator[Seen]:
    """Everything on a host that is not as the log says. `ours`: ids that the log has ever made."""
    found = {status.guest_id: status for status in listed if status.guest_id is not None}
    for guest_id, want in desired.items():
        status = found.get(guest_id)
        if want.is_here and not want.is_busy and (status is None or status.power not in ALIVE):
            name, power = (status.name, status.power) if status is not None else ("", GONE)
            yield Seen(Verdict.DEAD, guest_id, name, power, want.version)
    for status in listed:
        its_id = status.guest_id
        known = desired.get(its_id) if its_id is not None else None
        if known is not None:
            if not known.is_here and (known.is_ending or not known.is_busy):
                yield Seen(Verdict.ORPHAN, its_id, status.name, status.power, known.version)
        elif its_id in ours:
            yield Seen(Verdict.ORPHAN, its_id, status.name, status.power)
        else:
            yield Seen(Verdict.STRANGER, its_id, status.name, status.power)
