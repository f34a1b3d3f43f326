"""Sessions of people who signed in: opened by login, kept alive by use, revoked at logout.

A session is two random secrets of 256 bits, both in cookies; the second is also sent as a
parameter, so a page of another site cannot ride on the cookies. Only hashes are kept. `Sessions`
keeps them in this process's memory; several controllers share a table (`shared_sessions.py`).
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from api.attempts import Attempts, AttemptStore
from api.caller import Engine

IDLE_MS = 30 * 60 * 1000
SESSIONS_MAX = 100_000
TOKEN_BYTES = 32


@dataclass(slots=True)
class Session:
    """Who signed in, the hash of their session key, and when they were last heard of.

    `stamp` is what the cloud said of the user then (`identity.stamp_of`); a session with another
    one is over. `verified` says that a second factor was given in it.
    """

    name: bytes
    user_id: UUID
    key_hash: bytes
    used_at_ms: int
    stamp: str = ""
    verified: bool = False

    def opens(self, cookie_key: str, param_key: str) -> bool:
        """Did its key come both ways?"""
        same = hmac.compare_digest(hashed(cookie_key), self.key_hash)
        return same & hmac.compare_digest(hashed(param_key), self.key_hash)


class SessionStore(Protocol):
    """What the API needs of sessions, wherever they are kept. `Away` where they cannot be asked."""

    async def open(self, user_id: UUID, now_ms: int, stamp: str = "") -> tuple[str, str]:
        """Begin a session; gives its token and its key, which are never shown again."""
        ...

    async def check(
        self, token: str, cookie_key: str, param_key: str, now_ms: int, idle_ms: int = IDLE_MS
    ) -> Session | None:
        """A live session whose key came both ways; a wrong key ends the session."""
        ...

    async def verify(self, session: Session) -> None:
        """Note that the second factor was given in this session."""
        ...

    async def close(self, token: str) -> bool:
        """End a session; was there one?"""
        ...

    async def revoke(self, session: Session) -> None:
        """End a session that was found, whoever has its token."""
        ...


def hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def new_secret(random_bytes: Callable[[int], bytes]) -> str:
    return urlsafe_b64encode(random_bytes(TOKEN_BYTES)).decode().rstrip("=")


class Sessions:
    """Sessions in the memory of one process. `random_bytes` is the source of the secrets."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._live: dict[bytes, Session] = {}

    async def open(self, user_id: UUID, now_ms: int, stamp: str = "") -> tuple[str, str]:
        self._sweep(now_ms)
        token, key = new_secret(self._random_bytes), new_secret(self._random_bytes)
        name = hashed(token)
        self._live[name] = Session(name, user_id, hashed(key), now_ms, stamp)
        return token, key

    async def check(
        self, token: str, cookie_key: str, param_key: str, now_ms: int, idle_ms: int = IDLE_MS
    ) -> Session | None:
        name = hashed(token)
        session = self._live.get(name)
        if session is None:
            return None
        if not session.opens(cookie_key, param_key) or now_ms - session.used_at_ms >= idle_ms:
            del self._live[name]
            return None
        session.used_at_ms = now_ms
        return session

    async def verify(self, session: Session) -> None:
        session.verified = True

    async def close(self, token: str) -> bool:
        return self._live.pop(hashed(token), None) is not None

    async def revoke(self, session: Session) -> None:
        self._live.pop(session.name, None)

    def _sweep(self, now_ms: int) -> None:
        """Drop what is idle when there are many; then the oldest, so memory stays bounded."""
        if len(self._live) < SESSIONS_MAX:
            return
        live = [(n, s) for n, s in self._live.items() if now_ms - s.used_at_ms < IDLE_MS]
        live.sort(key=lambda pair: pair[1].used_at_ms)
        self._live = dict(live[-SESSIONS_MAX // 2 :])


@dataclass(slots=True)
class Door:
    """What the commands of signing in need of the way their caller came: its session, if it has
    one, and how often it has been wrong."""

    sessions: SessionStore
    attempts: AttemptStore
    session: Session | None = None


@dataclass(slots=True)
class Visitor:
    """Somebody not yet known, as the public commands login and logout meet them.

    `set_cookies` holds whole Set-Cookie values for the answer.
    """

    engine: Engine
    sessions: SessionStore
    now_ms: int
    method: str
    cookies: Mapping[str, str]
    set_cookies: list[str] = field(default_factory=list)
    attempts: AttemptStore = field(default_factory=Attempts)

    async def enter(self, user_id: UUID, stamp: str) -> str:
        """Begin a session and give the browser its cookies; returns the session key."""
        token, key = await self.sessions.open(user_id, self.now_ms, stamp)
        self.set_cookies += [
            f"JSESSIONID={token}; Path=/client; HttpOnly; SameSite=Lax",
            f"sessionkey={key}; Path=/client; HttpOnly; SameSite=Lax",
        ]
        return key

    async def leave(self) -> bool:
        """End the session that the cookies name; was there one?"""
        self.set_cookies += [
            f"{name}=; Path=/client; Max-Age=0; HttpOnly; SameSite=Lax"
            for name in ("JSESSIONID", "sessionkey")
        ]
        return await self.sessions.close(self.cookies.get("JSESSIONID", ""))
