"""The same request under the same idempotency key is done once and answered alike.

What makes it safe for ever is elsewhere: ids are derived from the key, and the log knows a job
by it. This memory only makes a repeat's answer the first one's, for as long as it is kept; it
is of one process and bounded. A refusal is not kept: the caller may mend the cause and repeat.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from api.errors import InvalidValue
from api.parse import SECRET
from engine.intents import By, Job
from projections.cloud import Cloud

KEPT = 10_000
# These differ between two sendings of one request.
PASSING = {"signature", "signatureversion", "expires", "apikey", "sessionkey", "response", "_"}


@dataclass(slots=True)
class Remembered:
    """What a request under a key said and was answered, once one was done."""

    said: bytes = b""
    payload: Any = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Repeats:
    """Answers by who asked and key. An answer may hold a secret: another user of the account, or a
    key of the same user with fewer rights, is somebody else."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._known: dict[tuple[Hashable, str], Remembered] = {}

    async def once(
        self,
        who: Hashable,
        key: str,
        query: Mapping[str, str],
        work: Callable[[], Awaitable[Any]],
    ) -> Any:
        """Do the work, or give the answer of when it was done. Repeats wait for their turn."""
        said = fingerprint(query)
        known = self._known.setdefault((who, key), Remembered())
        try:
            async with known.turn:
                if known.payload is None:
                    known.payload = await work()
                    known.said = said
                elif known.said != said:
                    raise InvalidValue(
                        "This idempotency key, or job id, was used for another request: choose a "
                        "new one"
                    )
        finally:
            # A key whose request is refused again and again must not stay for ever either.
            self._forget()
        return known.payload

    def _forget(self) -> None:
        """Drop the oldest answers, but none that somebody waits for."""
        while len(self._known) > self._kept:
            oldest = next(iter(self._known))
            if self._known[oldest].turn.locked():
                return
            del self._known[oldest]


def known_job(cloud: Cloud, by: By) -> Job | None:
    """The job that this account began under this key, as far back as the cloud remembers."""
    runs = cloud.table("saga").by("idempotency_key", by.idempotency_key)
    mine = (row for row in runs if row.account_id == by.account_id)
    return next((Job(row.id, row.subject_id) for row in mine), None)


def fingerprint(query: Mapping[str, str]) -> bytes:
    """What a request says, without what differs between two sendings of it."""
    said = sorted((name, value) for name, value in query.items() if name not in PASSING)
    return hashlib.sha256(repr(said).encode()).digest()


def key_of_job(command: str, job_id: UUID, query: Mapping[str, str]) -> str:
    """A job's own id as its key, with what was asked: the log holds it, so no secret is in it."""
    plain = {name: value for name, value in query.items() if SECRET.search(name) is None}
    return f"{command}/job {job_id}/{fingerprint(plain).hex()[:16]}"
