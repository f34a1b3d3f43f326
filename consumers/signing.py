"""Signs a request as CloudStack's API wants it: sorted, quoted, lower-cased, HMAC-SHA1."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import quote


def signed(query: dict[str, str], key: str, secret: str) -> dict[str, str]:
    """The query with the API key and its signature."""
    full = query | {"apiKey": key}
    pairs = (f"{name}={quote(full[name], safe='*')}" for name in sorted(full, key=str.lower))
    message = "&".join(pairs).replace("~", "%7E").lower().encode()
    digest = hmac.new(secret.encode(), message, hashlib.sha1).digest()
    return full | {"signature": base64.b64encode(digest).decode()}
