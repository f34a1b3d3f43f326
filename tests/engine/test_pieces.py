"""Whoever goes through very much leaves turns of the event loop to others."""

from __future__ import annotations

import asyncio

from projections.pieces import pieces


async def test_others_have_a_turn_after_each_piece() -> None:
    loop, turns = asyncio.get_running_loop(), 0

    def take_turns() -> None:
        nonlocal turns
        turns += 1
        loop.call_soon(take_turns)

    take_turns()
    found = [(turns, some) async for some in pieces(range(7), most=3)]
    assert [some for _, some in found] == [[0, 1, 2], [3, 4, 5], [6]]
    seen = [at for at, _ in found]
    assert seen == sorted(set(seen)), "each piece came in a later turn"
