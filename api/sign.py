"""Is a request signed by the holder of the secret key? HMAC-SHA1 over its sorted parameters.

The algorithm is the one of CloudStack's API guide ("Signing API Requests"). Clients differ in two
harmless ways, in the order (by name, or by lower-cased name) and in which characters they leave
unquoted, so a handful of candidate strings is tried; each is compared in constant time and no
answer says which part of the check failed.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from urllib.parse import quote

from api.parse import moment

Pairs = Sequence[tuple[str, str]]

# What is left unquoted besides letters, digits and `.-_`: java.net.URLEncoder leaves `*` and
# quotes `~`; cs, cloudstack-go and cloudmonkey leave `~`; libcloud leaves brackets as well.
SAFE = ("*", "*~", "*~[]", "~")
# Values without any of these look the same to every client.
DOUBTFUL = frozenset("*~[]")
PLAIN = re.compile(r"[A-Za-z0-9._-]*")
AUTH_NAMES = ("apikey", "signature", "signatureversion", "expires")


def candidates(params: Pairs) -> Iterator[bytes]:
    """Every string that a known client would have signed for these decoded parameters."""
    kept = [pair for pair in params if pair[0].lower() != "signature"]
    orders = [sorted(kept, key=itemgetter(0))]
    lowered = sorted(kept, key=lambda pair: pair[0].lower())
    if lowered != orders[0]:
        orders.append(lowered)
    values = "".join([value for _, value in kept])
    bare = PLAIN.fullmatch(values) is not None
    plain = bare or DOUBTFUL.isdisjoint(values)
    seen = set()
    for order in orders:
        for safe in SAFE[:1] if plain else SAFE:
            quoted = order if bare else [(name, _quote(value, safe)) for name, value in order]
            text = "&".join([f"{name}={value}" for name, value in quoted]).lower()
            if text not in seen:
                seen.add(text)
                yield text.encode()


def _quote(value: str, safe: str) -> str:
    """Percent-encode as UTF-8. Python never quotes `~` by itself, so that is done here."""
    if PLAIN.fullmatch(value):
        return value
    quoted = quote(value, safe=safe.replace("~", ""))
    return quoted if "~" in safe else quoted.replace("~", "%7E")


def signature(text: bytes, secret: str) -> str:
    """The signature of one candidate string."""
    # `hmac.digest` is no quicker, and lets another thread have the interpreter meanwhile.
    return b64encode(hmac.new(secret.encode(), text, "sha1").digest()).decode()


def is_signed(params: Pairs, secret: str, given: str) -> bool:
    """Does any candidate carry this signature? Looks at all of them whatever the outcome."""
    # Some clients send the signature with a space for a plus that was decoded once too often.
    wanted = given.replace(" ", "+").encode()
    found = False
    for text in candidates(params):
        found |= hmac.compare_digest(signature(text, secret).encode(), wanted)
    return found


def is_fresh(params: Mapping[str, str], now_ms: int) -> bool:
    """Has the request not expired? Only version 3 signatures say when they do."""
    if params.get("signatureversion") != "3":
        return True
    try:
        return moment(params.get("expires", "")) > now_ms
    except ValueError:
        return False
