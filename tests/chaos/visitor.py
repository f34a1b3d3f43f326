"""People in browsers: a session that was begun at one server is known at every other, until it
is ended, and then at none."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import aiohttp

from tests.chaos.client import ANSWER_S, UNSURE, Lost

NOT_KNOWN = 401
# A server may know of the end of a session a little later than the one that ended it.
END_IS_KNOWN_S = 3.0


@dataclass(frozen=True, slots=True)
class Odd:
    """A server that said of a session what it should not have."""

    server: int
    began_s: float
    ended_s: float
    text: str


@dataclass
class Visitors:
    """They sign in, look around at any server, and sign out."""

    session: aiohttp.ClientSession
    endpoints: list[str]
    name: str
    password: str
    odd: list[Odd] = field(default_factory=list)
    said: Counter[str] = field(default_factory=Counter)

    async def run(self, rng: random.Random, until_s: float) -> None:
        while monotonic() < until_s:
            try:
                await self._visit(rng, until_s)
            except Lost:
                self.said["lost"] += 1
            await asyncio.sleep(rng.random())

    async def _visit(self, rng: random.Random, until_s: float) -> None:
        """One stay. The cookies are kept by hand, as all servers have one address here."""
        signs_in = {"command": "login", "username": self.name, "password": self.password}
        code, told, cookies = await self._ask(self._any(rng), signs_in | {"domain": "/"}, {})
        if code != 200:
            self.said[f"login {code}"] += 1
            return
        self.said["login"] += 1
        key = {"sessionkey": told["sessionkey"]}
        for _ in range(rng.randint(2, 8)):
            server, began_s = self._any(rng), monotonic()
            try:
                code, _, _ = await self._ask(server, {"command": "listUsers"} | key, cookies)
            except Lost:
                self.said["lost"] += 1
                continue
            self.said["looks"] += 1
            if code == NOT_KNOWN:
                text = f"server {server} does not know a session that lasts"
                self.odd.append(Odd(server, began_s, monotonic(), text))
                return
            await asyncio.sleep(rng.random() * 0.3)
        await self._leave(rng, key, cookies)

    async def _leave(
        self, rng: random.Random, key: dict[str, str], cookies: dict[str, str]
    ) -> None:
        code, _, _ = await self._ask(self._any(rng), {"command": "logout"} | key, cookies)
        if code != 200:
            return
        await asyncio.sleep(END_IS_KNOWN_S)
        server, began_s = self._any(rng), monotonic()
        code, _, _ = await self._ask(server, {"command": "listUsers"} | key, cookies)
        self.said["logout"] += 1
        if code == 200:
            text = f"server {server} knows a session that was ended"
            self.odd.append(Odd(server, began_s, monotonic(), text))

    def _any(self, rng: random.Random) -> int:
        return rng.randrange(len(self.endpoints))

    async def _ask(
        self, server: int, query: dict[str, str], cookies: dict[str, str]
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Status, the inside of the answer, and the cookies that it sets."""
        sent = "; ".join(f"{name}={value}" for name, value in cookies.items())
        headers = {"Cookie": sent} if sent else {}
        limit = aiohttp.ClientTimeout(total=ANSWER_S)
        try:
            async with self.session.post(
                self.endpoints[server],
                data=query | {"response": "json"},
                headers=headers,
                timeout=limit,
            ) as response:
                told = json.loads(await response.read())
                given = {name: morsel.value for name, morsel in response.cookies.items()}
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Lost(f"{query['command']}: {error!r}") from error
        if response.status in UNSURE:
            raise Lost(f"{query['command']}: {response.status}")
        return response.status, next(iter(told.values())), given
