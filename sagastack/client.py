"""A small signed client of the API: what quickstart builds its cloud with, as any user would.

The signature is that of CloudStack's query API: sorted, URL-encoded, lower-cased, HMAC-SHA1.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from engine.clock import Clock

if TYPE_CHECKING:
    import aiohttp

POLL_S = 0.2
CALL_S = 120.0


class Refusal(Exception):
    """The API said no; the text is its own."""


class Client:
    """Calls commands and waits for jobs. `session` belongs to the caller."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        endpoint: str,
        api_key: str,
        secret_key: str,
        clock: Clock,
    ) -> None:
        self._session, self._endpoint = session, endpoint
        self._api_key, self._secret = api_key, secret_key.encode()
        self._clock = clock

    async def call(self, command: str, **params: Any) -> dict[str, Any]:
        """The inside of the answer's envelope; `Refusal` with the server's text otherwise."""
        query = {"command": command, "response": "json", "apiKey": self._api_key}
        query |= {name: _text(value) for name, value in params.items() if value is not None}
        query["signature"] = self._sign(query)
        from aiohttp import ClientTimeout

        timeout = ClientTimeout(total=CALL_S)
        async with self._session.post(self._endpoint, data=query, timeout=timeout) as response:
            answer: dict[str, Any] = await response.json()
        inside: dict[str, Any] = next(iter(answer.values()))
        if "errorcode" in inside:
            raise Refusal(f"{command}: {inside['errortext']}")
        return inside

    async def job(self, command: str, *, timeout_s: float = 300.0, **params: Any) -> dict[str, Any]:
        """Call an asynchronous command and wait for its result."""
        accepted = await self.call(command, **params)
        return await self.wait(command, accepted["jobid"], timeout_s)

    async def wait(self, command: str, job_id: str, timeout_s: float = 300.0) -> dict[str, Any]:
        for _ in range(int(timeout_s / POLL_S)):
            job = await self.call("queryAsyncJobResult", jobid=job_id)
            if job["jobstatus"] == 1:
                result: dict[str, Any] = job.get("jobresult", {})
                return result
            if job["jobstatus"] == 2:
                raise Refusal(f"{command}: {job['jobresult']['errortext']}")
            await self._clock.sleep(POLL_S)
        raise Refusal(f"{command}: job {job_id} is not done after {timeout_s:.0f} s")

    def _sign(self, query: dict[str, str]) -> str:
        pairs = (f"{name}={quote(value, safe='*')}" for name, value in sorted(query.items()))
        message = "&".join(pairs).replace("~", "%7E").lower().encode()
        return base64.b64encode(hmac.new(self._secret, message, hashlib.sha1).digest()).decode()


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
