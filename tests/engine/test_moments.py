"""Of moments that are looked back to some are kept; what is no longer kept is freed in pieces."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from engine import history
from projections.cloud import Cloud
from tests.sagas.rig import new_sim, rig
from tests.sagas.seed import seed


async def at_that_position(position: int) -> int:
    """In place of a clock: each event is a moment of its own."""
    return position


async def test_a_moment_that_nobody_reads_is_freed_in_pieces_when_others_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that somebody still reads is let be: it goes with whoever has it last."""
    freed, dissolve = list[int](), Cloud.dissolve

    async def noted(cloud: Cloud) -> None:
        freed.append(cloud.position)
        await dissolve(cloud)
        assert not vars(cloud)

    monkeypatch.setattr(history, "KEPT_MOMENTS", 2)
    monkeypatch.setattr(Cloud, "dissolve", noted)
    async with rig(tmp_path, new_sim()) as r:
        await seed(r)
        log, last = cast(Any, r.log), r.cloud.position
        past = history.History(log, tmp_path / "none")
        log.position_at = at_that_position
        first, *others = range(last // 2, last, last // 10)
        read = await past.at(first)
        before = read.digest()
        positions = [(await past.at(moment)).position for moment in others]
        assert freed == positions[:-2], "the one that is read, and the two latest, are whole"
        assert read.digest() == before
        again = await past.at(others[0])
        assert again.position == positions[0]
        assert again.digest() == (await past.until(positions[0])).digest()
