"""Posts one payload: signed, in time, never inside, and never led elsewhere by a redirect.

The headers are those that receivers of CloudStack's webhooks know: `X-CS-Event` and
`X-CS-Event-ID`, by which a receiver knows a repetition, and `X-CS-Signature`, which is the
HMAC-SHA256 of the body with the webhook's secret in base64.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from urllib.parse import urlsplit

import aiohttp

from aggregates.errors import Invalid
from engine.clock import Clock
from engine.intents.webhook import SendWebhook, Sent
from engine.outside import Inside, Reach
from projections.cloud import Cloud
from projections.setting import value_of

SITES = "webhook.allowed.internal.sites"
ANSWER_BYTES, ANSWER_CHARACTERS = 4_096, 1_000
# Not our own words: everything that an HTTP client may stumble over on its way.
TROUBLE = (aiohttp.ClientError, OSError, TimeoutError, ValueError)


def reach_of(cloud: Cloud) -> Reach:
    """Whom webhooks may speak to, by the setting of now."""
    sites = value_of(cloud, SITES).split(",")
    return Reach(SITES, tuple(one.strip() for one in sites if one.strip()))


def check_url(url: str, reach: Reach) -> None:
    """Refuse at once what could never be posted to; a name's addresses are looked at later.

    The URL is not repeated: what is refused may hold a password.
    """
    try:
        parts = urlsplit(url)
        host, known = parts.hostname, parts.port
    except ValueError as wrong:
        raise Invalid(f"the URL cannot be read: {wrong}", field="payloadurl") from wrong
    if parts.username or parts.password:
        raise Invalid(
            "a URL is kept for ever and shown: put no user or password into it", field="payloadurl"
        )
    if parts.scheme not in ("http", "https") or not host or known == 0 or not url.isprintable():
        raise Invalid(
            "the URL cannot be posted to: write http:// or https://, and a host",
            field="payloadurl",
        )
    try:
        reach.check_url(url)
    except Inside as wrong:
        raise Invalid(str(wrong), field="payloadurl") from wrong


def headers_of(ask: SendWebhook) -> dict[str, str]:
    """What is said beside the body, the signature left out."""
    return {
        "X-CS-Event-ID": str(ask.event_id),
        "X-CS-Event": ask.event_type,
        "User-Agent": f"CS-Hookshot/{ask.account_id}",
        "Content-Type": "application/json" if _is_json(ask.payload) else "text/plain",
    }


def signature(payload: bytes, secret: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), payload, hashlib.sha256).digest()).decode()


async def send(ask: SendWebhook, reach: Reach, clock: Clock, *, timeout_s: float) -> Sent:
    """Post once. Only an answer of 200 to 299 is a success; whatever fails is told, not raised."""
    started_ms, body, headers = clock.now_ms(), ask.payload.encode(), headers_of(ask)
    signed = {"X-CS-Signature": signature(body, ask.secret)} if ask.secret else {}
    try:
        check_url(ask.url, reach)
        success, response = await _post(ask, reach, body, headers | signed, timeout_s)
    except Invalid as wrong:
        success, response = False, str(wrong)
    except TROUBLE as wrong:
        cause = wrong.__cause__ if isinstance(wrong.__cause__, Inside) else wrong
        words = str(cause) or f"no answer in {timeout_s:g} s"
        success, response = False, f"failed: {words}"[:ANSWER_CHARACTERS]
    return Sent(
        success=success,
        response=response,
        headers="\n".join(f"{name}: {value}" for name, value in headers.items()),
        started_at_ms=started_ms,
        ended_at_ms=clock.now_ms(),
    )


async def _post(
    ask: SendWebhook, reach: Reach, body: bytes, headers: dict[str, str], timeout_s: float
) -> tuple[bool, str]:
    limit = aiohttp.ClientTimeout(total=timeout_s)
    async with (
        reach.connector(ssl=ask.ssl_verification) as line,
        aiohttp.ClientSession(
            connector=line, timeout=limit, cookie_jar=aiohttp.DummyCookieJar()
        ) as session,
        session.post(ask.url, data=body, headers=headers, allow_redirects=False) as answer,
    ):
        said = await answer.content.read(ANSWER_BYTES)
        text = said.decode(errors="replace").replace("\0", "")[:ANSWER_CHARACTERS]
        if 200 <= answer.status < 300:
            return True, text
        if 300 <= answer.status < 400:
            return False, f"answered {answer.status}: redirects are not followed, name the target"
        return False, f"answered {answer.status}: {text}"[:ANSWER_CHARACTERS]


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except ValueError:
        return False
