"""How long a source may be away: tries lie further and further apart, until patience ends."""

from __future__ import annotations

import asyncio
import time

from consumers.errors import SourceGone

FIRST_S, LONGEST_S = 0.2, 10.0


class Patience:
    """Counts the time since the source was last seen to live."""

    def __init__(self, what: str, patience_s: float) -> None:
        self._what, self._patience_s = what, patience_s
        self._since_s = time.monotonic()
        self._pause_s = FIRST_S

    def lives(self) -> None:
        """The source has answered."""
        self._since_s = time.monotonic()
        self._pause_s = FIRST_S

    async def wait(self, why: BaseException | str) -> None:
        """Wait before the next try; `SourceGone` once there is to be none."""
        left_s = self._since_s + self._patience_s - time.monotonic()
        if left_s <= 0:
            raise SourceGone(
                f"{self._what} is gone for {self._patience_s:.0f} s ({str(why) or repr(why)}): "
                "look after it and start again, nothing is lost"
            )
        await asyncio.sleep(min(self._pause_s, left_s))
        self._pause_s = min(self._pause_s * 2, LONGEST_S)
