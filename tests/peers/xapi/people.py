"""Sessions, tasks and events: who may ask, what is under way, and how one hears of it."""

from __future__ import annotations

import secrets
from typing import Any

from tests.peers.xapi.calls import Context, message
from tests.peers.xapi.model import NULL
from tests.peers.xapi.store import XapiError, stamp

ENDED = ("success", "failure", "cancelled")
EVENT_S_MAX = 3600.0


def log_in(c: Context, name: str, password: str, originator: str) -> str:
    """Only the master lets anybody in; a slave says where that is."""
    master = c.world.master
    if c.host != master:
        raise XapiError("HOST_IS_SLAVE", c.store.get("host", master)["address"])
    known = c.world.users.get(name)
    if known is None or not secrets.compare_digest(known, password):
        raise XapiError("SESSION_AUTHENTICATION_FAILED", name, "Authentication failure")
    session = c.store.add(
        "session", this_host=c.host, pool=False, is_local_superuser=True, originator=originator,
        last_active=stamp(c.world.clock()),
    )  # fmt: skip
    c.world.seen[session] = c.world.clock()
    return session


def need_session(c: Context, session: Any) -> None:
    """It is one that was given and that has not lain idle for too long."""
    world = c.world
    if not isinstance(session, str) or not world.store.has("session", session):
        raise XapiError("SESSION_INVALID", session)
    now = world.clock()
    if now - world.seen.get(session, 0.0) > world.behaviour.session_s:
        world.store.remove(session)
        raise XapiError("SESSION_INVALID", session)
    world.seen[session] = now


@message("session.logout")
def logout(c: Context) -> None:
    c.store.remove(c.session)


@message("task.create", "str", "str")
def task_create(c: Context, label: str, description: str) -> str:
    return new_task(c, label, description)


def new_task(c: Context, label: str, description: str = "") -> str:
    return c.store.add(
        "task", name_label=label, name_description=description, status="pending",
        created=stamp(c.world.clock()), resident_on=c.host,
        allowed_operations=["cancel", "destroy"],
    )  # fmt: skip


def end_task(
    c: Context, task: str, status: str, *, result: str = "", error: tuple[str, ...] = ()
) -> None:
    if c.store.has("task", task):
        c.store.put(
            task, status=status, result=result, error_info=list(error), progress=1.0,
            finished=stamp(c.world.clock()), allowed_operations=["destroy"],
        )  # fmt: skip


@message("task.cancel", "ref task")
def task_cancel(c: Context, task: str) -> None:
    if c.store.get("task", task)["status"] in ENDED:
        raise XapiError("OPERATION_NOT_ALLOWED", "this task has ended")
    c.store.put(task, status="cancelling")
    if (job := c.world.jobs.get(task)) is not None:
        job.cancel()


@message("task.destroy", "ref task")
def task_destroy(c: Context, task: str) -> None:
    """One that is under way goes on; it is only not told of any more."""
    c.store.remove(task)


@message("event.from", "set", "str", "float")
async def event_from(
    c: Context, classes: list[str], token: str, timeout_s: float
) -> dict[str, Any]:
    """What has changed since a token, at once if anything has, else when it does."""
    number = _number(token)
    if not all(isinstance(one, str) and one for one in classes):
        raise XapiError("EVENT_SUBSCRIPTION_PARSE_FAILURE", classes)
    if (lost := c.world.lose_events_before) and 0 < number < lost:
        raise XapiError("EVENTS_LOST")
    ends = c.world.clock() + min(float(timeout_s), EVENT_S_MAX)
    while True:
        now = c.store.now
        if events := c.store.since(number, classes):
            return _told(c, events, now)
        if (left_s := ends - c.world.clock()) <= 0:
            return _told(c, [], now)
        await c.store.news(left_s)
        need_session(c, c.session)


def _number(token: str) -> int:
    if not token:
        return 0
    first, _, second = token.partition(",")
    if not (first.isdigit() and second.isdigit()):
        raise XapiError("EVENT_FROM_TOKEN_PARSE_FAILURE", token)
    return int(first)


def _told(c: Context, events: list[dict[str, Any]], now: int) -> dict[str, Any]:
    return {"events": events, "valid_ref_counts": c.store.counts(), "token": f"{now},0"}


__all__ = ["ENDED", "NULL", "end_task", "log_in", "need_session", "new_task"]
