"""A URL that may be recorded and shown: it can be taken apart, and it holds no password."""

from __future__ import annotations

from urllib.parse import urlsplit

from api.errors import InvalidValue


def plain_url(url: str, instead: str) -> str:
    """The URL, stripped. `instead` says where a password belongs that was found in it.

    What is wrong is said without the URL itself: it may hold the password.
    """
    try:
        parts = urlsplit(url.strip())
        has_password = parts.password is not None
        _ = parts.port
    except ValueError as why:
        raise InvalidValue(f"url cannot be understood: {why}; write scheme://host/path") from None
    if has_password:
        raise InvalidValue(f"url holds a password, and URLs are shown: {instead}")
    if len(url.split()) > 1:
        raise InvalidValue("url holds spaces or line breaks: write %20 for a space")
    return url.strip()
