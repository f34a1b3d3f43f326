"""The table of `engine.reconcilers.guest`: what the log has, what a host lists, what follows."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from drivers.contract.compute import GuestStatus, Power
from engine.reconcilers.guest import Desired, Seen, Verdict, compare

ME = UUID(int=1)


def status(power: Power | None, guest_id: UUID | None = ME) -> list[GuestStatus]:
    return [] if power is None else [GuestStatus(guest_id=guest_id, name="g", power=power)]


def desired(*, here: bool, busy: bool = False) -> dict[UUID, Desired]:
    return {ME: Desired(is_here=here, is_busy=busy, version=7)}


# The row that the log has, what the host lists, and what follows.
HERE, THERE = desired(here=True), desired(here=False)
BUSY_HERE, BUSY_THERE = desired(here=True, busy=True), desired(here=False, busy=True)
TABLE = [
    *((HERE, power, None) for power in (Power.RUNNING, Power.PAUSED)),
    *((HERE, power, Verdict.DEAD) for power in (Power.OFF, Power.CRASHED, None)),
    *((THERE, power, Verdict.ORPHAN) for power in Power),
    (THERE, None, None),
    *((row, power, None) for row in (BUSY_HERE, BUSY_THERE) for power in (*Power, None)),
    *(({}, power, Verdict.ORPHAN) for power in Power),
    ({}, None, None),
]


@pytest.mark.parametrize(("row", "power", "verdict"), TABLE)
def test_the_table_of_guests(
    row: dict[UUID, Desired], power: Power | None, verdict: Verdict | None
) -> None:
    seen = list(compare(row, status(power), frozenset({ME})))
    assert [one.verdict for one in seen] == ([verdict] if verdict else [])
    for one in seen:
        assert one.version == (7 if row else 0), "what was looked at is named"


@pytest.mark.parametrize("guest_id", [None, uuid4()])
def test_what_the_log_never_made_is_a_stranger(guest_id: UUID | None) -> None:
    listed = status(Power.RUNNING, guest_id)
    assert list(compare(HERE | {}, [*status(Power.RUNNING), *listed], frozenset({ME}))) == [
        Seen(Verdict.STRANGER, guest_id, "g", "running")
    ]
