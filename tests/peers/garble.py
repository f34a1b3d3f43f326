"""An answer that is spoiled on its way, whatever was done: by a proxy, a full disk, a bug.

Each peer of ours asks here what to put on the wire, and each of its answers counts.
"""

from __future__ import annotations

PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
# None: the first half of what it is.
WAYS = (None, b"", PAGE, b"[]", b"null")


class Garble:
    """Spoils one answer, by one of `WAYS` after the other."""

    def __init__(self) -> None:
        self._left: int | None = None
        self._turn = 0
        self._spoiled = False

    def wish(self, after: int | None) -> bool:
        """Spoil the answer after so many, or none. Says whether the wish before came true."""
        spoiled, self._spoiled, self._left = self._spoiled, False, after
        return spoiled

    def of(self, body: bytes) -> bytes:
        """What is sent for an answer."""
        if self._left is None:
            return body
        if self._left > 0:
            self._left -= 1
            return body
        self._left, self._spoiled = None, True
        self._turn += 1
        way = WAYS[self._turn % len(WAYS)]
        return body[: len(body) // 2] if way is None else way
