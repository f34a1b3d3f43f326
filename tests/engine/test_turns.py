"""Decisions share the loop with those who read: few beside many lists, all of it without any."""

from __future__ import annotations

import asyncio

from engine.turns import DECISIONS_A_TURN, LISTS_TO_ONE_S, PAUSE_TURNS, Turns


async def decided(turns: Turns, asked: int, loops: int, reads_s: float = 0.0) -> int:
    """How many of so many decisions come in within some turns of the loop."""
    done = 0

    async def one() -> None:
        nonlocal done
        await turns.take()
        done += 1

    tasks = [asyncio.create_task(one()) for _ in range(asked)]
    for _ in range(loops):
        if reads_s:
            turns.read(reads_s)
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return done


async def test_a_turn_has_so_many_decisions() -> None:
    done = await decided(Turns(), 1000, 20)
    assert DECISIONS_A_TURN * 15 <= done <= DECISIONS_A_TURN * 22


async def test_who_reads_without_a_pause_leaves_room_for_a_share() -> None:
    turns = Turns()
    turns.read(LISTS_TO_ONE_S / 4)
    done = await decided(turns, 1000, 200, LISTS_TO_ONE_S / 4)
    assert 200 / 4 - DECISIONS_A_TURN <= done <= 200 / 4 + 3 * DECISIONS_A_TURN


async def test_decisions_beside_readers_come_in_together() -> None:
    turns, asked = Turns(), 4 * DECISIONS_A_TURN
    tasks = [asyncio.create_task(turns.take()) for _ in range(asked)]
    let_in = set()
    while not all(task.done() for task in tasks):
        turns.read(LISTS_TO_ONE_S / 2)
        await asyncio.sleep(0)
        let_in.add(sum(task.done() for task in tasks))
    assert let_in <= {n * DECISIONS_A_TURN for n in range(5)}


async def test_a_pause_gives_all_of_it_back() -> None:
    turns = Turns()
    await decided(turns, 1000, 50, LISTS_TO_ONE_S / 4)
    await decided(turns, 1000, PAUSE_TURNS)
    done = await decided(turns, 1000, 20)
    assert done >= DECISIONS_A_TURN * 15
