"""A tenant's client of a cluster: signed requests to any server, asked again where one fails.

The signature is CloudStack's: the sorted, URL-encoded, lower-cased query under HMAC-SHA1. A request
whose answer is lost is asked again elsewhere under its idempotency key. Whoever is refused then
cannot know what becomes of the first request, which may wait in a paused server: that one stays
of unknown outcome.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from urllib.parse import quote

import aiohttp

ANSWER_S = 6.0
# The log could not be written or the server closes: nothing is sure.
UNSURE = (503, 530)


class Lost(Exception):
    """There was no answer, or one that says nothing of what has happened."""


class Refused(Exception):
    """It surely did not happen."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code, self.text = code, text


@dataclass(slots=True)
class Told:
    """How a request ended: its answer or refusal, and how many tries before it were lost."""

    began_s: float
    ended_s: float = 0.0
    answer: Any = None
    refusal: Refused | None = None
    lost_since_s: float | None = None
    last_began_s: float = 0.0

    @property
    def known(self) -> bool:
        return self.answer is not None or self.refusal is not None


@dataclass(slots=True)
class Patience:
    """How long a client goes on. `walks_away` is the chance that it gives up at a lost answer."""

    until_s: float
    walks_away: float = 0.0


@dataclass(frozen=True, slots=True)
class Unseen:
    """A server did not know a job that another had acknowledged."""

    server: int
    began_s: float
    ended_s: float
    job_id: str
    text: str


@dataclass
class Client:
    """One account's keys, and where the servers are."""

    session: aiohttp.ClientSession
    endpoints: list[str]
    key: str
    secret: str
    rng: random.Random
    lost: Counter[str] = field(default_factory=Counter)
    unseen: list[Unseen] = field(default_factory=list)

    def any_server(self) -> int:
        return self.rng.randrange(len(self.endpoints))

    async def ask(self, server: int, command: str, **params: Any) -> Any:
        """One request to one server. `Lost` or `Refused`, or the inside of the answer."""
        query = {"command": command, "response": "json", "apiKey": self.key}
        query |= {name: _text(value) for name, value in params.items() if value is not None}
        query["signature"] = self._sign(query)
        limit = aiohttp.ClientTimeout(total=ANSWER_S)
        try:
            where = self.endpoints[server]
            async with self.session.post(where, data=query, timeout=limit) as response:
                told = json.loads(await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            self.lost[type(error).__name__] += 1
            raise Lost(f"{command} at server {server}: {error!r}") from error
        inside = next(iter(told.values()))
        code = inside.get("errorcode")
        if code in UNSURE:
            self.lost[f"code {code}"] += 1
            raise Lost(f"{command} at server {server}: {inside['errortext']}")
        if code is not None:
            raise Refused(code, str(inside["errortext"]))
        return inside

    async def insist(self, patience: Patience, command: str, **params: Any) -> Told:
        """Ask one server after the other, under one idempotency key, until one answers."""
        told = Told(monotonic())
        while not told.known:
            told.last_began_s = monotonic()
            try:
                told.answer = await self.ask(self.any_server(), command, **params)
            except Refused as refusal:
                told.refusal = refusal
            except Lost:
                if told.lost_since_s is None:
                    told.lost_since_s = told.last_began_s
                gives_up = self.rng.random() < patience.walks_away
                if gives_up or monotonic() > patience.until_s:
                    break
                await asyncio.sleep(0.1 + self.rng.random() * 0.4)
        told.ended_s = monotonic()
        return told

    async def job(self, patience: Patience, command: str, **params: Any) -> Told:
        """Ask for a job, and wait for its end. The answer is its result."""
        told = await self.insist(patience, command, **params)
        if told.answer is None:
            return told
        ended = await self.waited(patience, told.answer["jobid"])
        told.answer, told.refusal, told.ended_s = ended.answer, ended.refusal, ended.ended_s
        if told.refusal is not None:
            # A job that has failed was accepted: no try before it is still to come, and the first
            # of them may have been the one that was.
            told.lost_since_s, told.last_began_s = None, told.began_s
        return told

    async def waited(self, patience: Patience, job_id: str) -> Told:
        """How a job ended, as any server tells it."""
        told = Told(monotonic())
        while monotonic() < patience.until_s:
            await asyncio.sleep(0.05 + self.rng.random() * 0.15)
            server, asked_s = self.any_server(), monotonic()
            try:
                job = await self.ask(server, "queryAsyncJobResult", jobid=job_id)
            except Lost:
                continue
            except Refused as refusal:
                self.unseen.append(Unseen(server, asked_s, monotonic(), job_id, str(refusal)))
                continue
            told.ended_s = monotonic()
            if job["jobstatus"] == 1:
                told.answer = (job.get("jobresult") or {}) | {"jobid": job_id}
                return told
            if job["jobstatus"] == 2:
                failed = job["jobresult"]
                told.refusal = Refused(failed["errorcode"], failed["errortext"])
                return told
        return told

    def _sign(self, query: dict[str, str]) -> str:
        pairs = (f"{name}={quote(value, safe='*')}" for name, value in sorted(query.items()))
        message = "&".join(pairs).replace("~", "%7E").lower().encode()
        return base64.b64encode(
            hmac.new(self.secret.encode(), message, hashlib.sha1).digest()
        ).decode()


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
