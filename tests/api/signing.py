"""Signs requests by the guide's algorithm, written apart from the server's own code."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import quote, urlencode


def java_quote(value: str) -> str:
    """What java.net.URLEncoder makes of a value, with %20 for a space."""
    return quote(value, safe="*").replace("~", "%7E")


def sign(params: dict[str, str], secret: str) -> str:
    text = "&".join(f"{name}={java_quote(params[name])}" for name in sorted(params)).lower()
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def signed(as_who: str, params: dict[str, str]) -> str:
    """A whole query string signed with the key of somebody in the fake cloud."""
    full = {**params, "apiKey": f"{as_who}-key"}
    return urlencode({**full, "signature": sign(full, f"{as_who}-Secret")})
