"""Sessions and tries: what holds in one process's memory holds for several that share a table."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

import api.shared_sessions as shared
from api.attempts import MOST, PAUSE_MS, Attempts, AttemptStore
from api.errors import Away
from api.sessions import IDLE_MS, Sessions, SessionStore
from api.shared_attempts import SharedAttempts
from api.shared_sessions import GRACE_MS, NOTE_MS, SharedSessions
from engine.cluster.database import Database
from tests.peers.postgres import Cluster

T0 = 1_000_000_000_000
WHOM = ("password", "dan")


@pytest.fixture(params=["memory", "table"])
async def both(request: pytest.FixtureRequest) -> AsyncIterator[tuple[SessionStore, AttemptStore]]:
    if request.param == "memory":
        yield Sessions(secrets.token_bytes), Attempts()
        return
    url = request.getfixturevalue("url")
    sessions = await SharedSessions.connect(url, secrets.token_bytes)
    attempts = await SharedAttempts.connect(url)
    yield sessions, attempts
    await sessions.disconnect()
    await attempts.disconnect()


@pytest.fixture
async def sessions(both: tuple[SessionStore, AttemptStore]) -> SessionStore:
    return both[0]


@pytest.fixture
async def attempts(both: tuple[SessionStore, AttemptStore]) -> AttemptStore:
    return both[1]


@pytest.fixture
async def two(url: str) -> AsyncIterator[tuple[SharedSessions, SharedSessions]]:
    """The sessions of two controllers."""
    one, other = [await SharedSessions.connect(url, secrets.token_bytes) for _ in range(2)]
    yield one, other
    await one.disconnect()
    await other.disconnect()


async def test_a_session_lasts_from_login_to_logout(sessions: SessionStore) -> None:
    user = uuid4()
    token, key = await sessions.open(user, T0, "stamp")
    found = await sessions.check(token, key, key, T0 + 1)
    assert found is not None
    assert (found.user_id, found.stamp, found.verified) == (user, "stamp", False)
    assert await sessions.check("", key, key, T0 + 1) is None
    assert await sessions.check("another", key, key, T0 + 1) is None
    assert await sessions.close(token)
    assert not await sessions.close(token)
    assert await sessions.check(token, key, key, T0 + 2) is None


async def test_a_wrong_key_ends_the_session(sessions: SessionStore) -> None:
    for cookie_key, param_key in ((True, False), (False, True)):
        token, key = await sessions.open(uuid4(), T0)
        first, second = (key if right else "wrong" for right in (cookie_key, param_key))
        assert await sessions.check(token, first, second, T0) is None
        assert await sessions.check(token, key, key, T0) is None


async def test_a_session_ends_when_it_is_not_used(sessions: SessionStore) -> None:
    token, key = await sessions.open(uuid4(), T0)
    now_ms = T0
    for _ in range(3):
        now_ms += IDLE_MS - NOTE_MS
        assert await sessions.check(token, key, key, now_ms) is not None
    assert await sessions.check(token, key, key, now_ms + IDLE_MS) is None
    assert await sessions.check(token, key, key, now_ms) is None, "it ended for good"


async def test_a_second_factor_is_given_once_for_a_session(sessions: SessionStore) -> None:
    token, key = await sessions.open(uuid4(), T0)
    found = await sessions.check(token, key, key, T0)
    assert found is not None
    await sessions.verify(found)
    assert found.verified
    again = await sessions.check(token, key, key, T0)
    assert again is not None and again.verified
    await sessions.revoke(again)
    assert await sessions.check(token, key, key, T0) is None


async def test_some_tries_then_a_pause(attempts: AttemptStore) -> None:
    for n in range(MOST):
        async with attempts.turn(WHOM):
            assert await attempts.may_try(WHOM, T0 + n)
            assert await attempts.failed(WHOM, T0 + n) == (n == MOST - 1)
    last_ms = T0 + MOST - 1
    assert not await attempts.may_try(WHOM, last_ms + 1)
    assert not await attempts.may_try(WHOM, last_ms + PAUSE_MS - 1)
    assert await attempts.may_try(("password", "somebody else"), last_ms)
    assert await attempts.may_try(WHOM, last_ms + PAUSE_MS)
    assert not await attempts.failed(WHOM, last_ms + PAUSE_MS)


async def test_a_clock_that_is_set_back_locks_nobody_out_for_longer(attempts: AttemptStore) -> None:
    """Wrong five times while the clock was a day ahead: refused for minutes, and not for a day."""
    day_ms = 24 * 3_600_000
    for _ in range(MOST):
        assert await attempts.may_try(WHOM, T0 + day_ms)
        await attempts.failed(WHOM, T0 + day_ms)
    assert not await attempts.may_try(WHOM, T0 + day_ms - PAUSE_MS + 1), "a small step ends none"
    assert await attempts.may_try(WHOM, T0)
    assert not await attempts.failed(WHOM, T0)
    for n in range(1, MOST):
        assert await attempts.may_try(WHOM, T0)
        assert await attempts.failed(WHOM, T0) == (n == MOST - 1)
    assert not await attempts.may_try(WHOM, T0 + 1)


async def test_whoever_is_right_begins_anew(attempts: AttemptStore) -> None:
    for _ in range(3):
        for _ in range(MOST - 1):
            assert await attempts.may_try(WHOM, T0)
            assert not await attempts.failed(WHOM, T0)
        assert await attempts.may_try(WHOM, T0)
        await attempts.succeeded(WHOM)


async def test_tries_side_by_side_are_one_after_the_other(attempts: AttemptStore) -> None:
    inside = most = 0

    async def right() -> None:
        nonlocal inside, most
        async with attempts.turn(WHOM):
            inside += 1
            most = max(most, inside)
            assert await attempts.may_try(WHOM, T0)
            await asyncio.sleep(0)
            await attempts.succeeded(WHOM)
            inside -= 1

    await asyncio.gather(*(right() for _ in range(20)))
    assert most == 1


async def test_several_controllers_do_not_give_more_tries(url: str) -> None:
    async with AsyncExitStack() as stack:
        controllers = [await SharedAttempts.connect(url) for _ in range(4)]
        for one in controllers:
            stack.push_async_callback(one.disconnect)
        # All at once, and nobody has been told of a failure yet.
        let = await asyncio.gather(*(c.may_try(WHOM, T0) for c in controllers for _ in range(5)))
        assert sum(let) == MOST
        await controllers[0].failed(WHOM, T0)
        assert not await controllers[3].may_try(WHOM, T0 + 1)


async def test_a_session_of_one_controller_is_one_of_all(
    two: tuple[SharedSessions, SharedSessions],
) -> None:
    one, other = two
    token, key = await one.open(uuid4(), T0)
    found = await other.check(token, key, key, T0)
    assert found is not None
    await other.verify(found)
    mine = await one.check(token, key, key, T0)
    assert mine is not None and mine.verified
    # Used here alone, it does not end there.
    later_ms = T0 + IDLE_MS - NOTE_MS
    assert await one.check(token, key, key, later_ms) is not None
    assert await other.check(token, key, key, later_ms + IDLE_MS - 1) is not None
    assert await other.close(token)
    assert await one.check(token, key, key, later_ms) is None, "it ended everywhere at once"


async def test_idle_and_too_many_sessions_are_swept(
    two: tuple[SharedSessions, SharedSessions], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "SESSIONS_MAX", 10)
    one, _ = two
    opened = [await one.open(uuid4(), T0 + n) for n in range(25)]
    await one.open(uuid4(), T0 + 2 * shared.SWEEP_MS)
    database = Database(url)
    assert await database.ask("SELECT count(*) FROM sagastack_sessions") == [(11,)]
    token, key = opened[-1]
    assert await one.check(token, key, key, T0 + 30) is not None, "the latest stay"
    await one.open(uuid4(), T0 + 3 * shared.SWEEP_MS + IDLE_MS)
    assert await database.ask("SELECT count(*) FROM sagastack_sessions") == [(1,)]
    # Neither tokens nor keys lie there.
    (row,) = await database.ask("SELECT sagastack_sessions::text FROM sagastack_sessions LIMIT 1")
    assert token not in row[0] and key not in row[0]
    await database.close()


async def test_without_the_database_those_seen_lately_go_on_for_a_while(
    two: tuple[SharedSessions, SharedSessions], url: str, postgres_cluster: Cluster
) -> None:
    one, other = two
    attempts = await SharedAttempts.connect(url)
    token, key = await one.open(uuid4(), T0)
    ended, ended_key = await one.open(uuid4(), T0)
    for session in ((token, key, key), (ended, ended_key, ended_key)):
        assert await one.check(*session, T0) is not None
    await one.close(ended)
    postgres_cluster.stop("immediate")
    try:
        assert await one.check(token, key, key, T0 + GRACE_MS - 1) is not None
        assert await one.check(token, "wrong", key, T0 + 1) is None
        refused: list[Callable[[], object]] = [
            lambda: one.check(token, key, key, T0 + GRACE_MS),
            lambda: one.check(ended, ended_key, ended_key, T0 + 1),
            lambda: other.check(token, key, key, T0 + 1),
            lambda: one.open(uuid4(), T0),
            lambda: one.close(token),
            lambda: attempts.may_try(WHOM, T0),
        ]
        for ask in refused:
            with pytest.raises(Away, match="signed with a key are answered") as told:
                await ask()  # type: ignore[misc]
            assert "postgres" not in str(told.value)
    finally:
        postgres_cluster.start()
    async with asyncio.timeout(60):
        while True:
            try:
                assert await other.check(token, key, key, T0 + 1) is not None
                break
            except Away:
                await asyncio.sleep(0.1)
    await attempts.disconnect()
