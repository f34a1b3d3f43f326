"""What a service answers over HTTP: whole, of a bounded size, and an object where one was promised.

Whoever asked knows what it means that an answer is none: a question can be put again, and of an
order nobody knows what became.
"""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from drivers.contract.errors import Refused

# The statuses by which a service sends on to another address.
DETOURS = (301, 302, 303, 307, 308)
MOST_BYTES = 256 * 1024**2
SHOWN_CHARS = 80


class NoAnswer(aiohttp.ClientPayloadError):
    """It came, and says nothing: it is too long, or of another shape than any answer has.

    A `ClientError`, as a line that broke within an answer is: nobody knows more of either.
    """


def need_no_detour(answer: aiohttp.ClientResponse, doing: str, remedy: str) -> None:
    """A token or a password goes nowhere but where the operator says."""
    if answer.status in DETOURS:
        raise Refused(
            f"{doing}: {answer.url.authority} sends on to "
            f"{answer.headers.get('Location', '')!r}: {remedy}"
        )


async def whole(answer: aiohttp.ClientResponse, most_bytes: int = MOST_BYTES) -> bytes:
    """The body, unless it has no end."""
    parts, size = list[bytes](), 0
    async for part in answer.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > most_bytes:
            answer.close()
            raise NoAnswer(f"its answer has more than {most_bytes} bytes")
    return b"".join(parts)


def read_object(body: bytes) -> dict[str, Any]:
    """A JSON object."""
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        shown = body[:SHOWN_CHARS].decode(errors="replace")
        raise NoAnswer(f"its answer is no JSON object: {shown!r}")
    return said
