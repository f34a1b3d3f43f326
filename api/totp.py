"""One-time codes by the clock (RFC 6238, with the defaults that every authenticator app knows).

Pure: the secret, the code and the time are arguments. A code is good for its own half minute and
for the one before and after, since clocks differ; which half minute it was is told, so that nobody
can use it twice.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from base64 import b32decode, b32encode

STEP_S, DIGITS, SECRET_BYTES = 30, 6, 20
NEIGHBOURS = (0, -1, 1)


def secret_text(random: bytes) -> str:
    """A secret as apps take it: base32 without padding."""
    return b32encode(random).decode().rstrip("=")


def code_at(secret: str, counter: int) -> str:
    """The code of one half minute (RFC 4226, HOTP)."""
    key = b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", counter), hashlib.sha1).digest()
    start = digest[-1] & 0x0F
    number: int = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def counter_of(secret: str, code: str, now_ms: int) -> int | None:
    """The half minute that a code belongs to, if it is good now; always as many comparisons."""
    now, found = now_ms // 1000 // STEP_S, None
    for neighbour in NEIGHBOURS:
        counter = max(now + neighbour, 0)
        if hmac.compare_digest(code_at(secret, counter).encode(), code.encode()):
            found = counter
    return found
