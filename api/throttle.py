"""How often an account may ask: so many requests in so many seconds, when settings say so."""

from __future__ import annotations

from collections import OrderedDict
from uuid import UUID

from api.caller import Identity
from api.errors import TooMany
from projections.cloud import Cloud
from projections.setting import is_on, number_of

KEPT = 100_000


class Throttle:
    """Requests of each account in the interval under way; in the memory of one process."""

    def __init__(self) -> None:
        self._begun: OrderedDict[UUID, tuple[int, int]] = OrderedDict()

    def take(self, cloud: Cloud, who: Identity, now_ms: int) -> None:
        """Count one request; `TooMany` when the account has had its share of this interval."""
        if who.is_root or not is_on(cloud, "api.throttling.enabled"):
            return
        length_ms = int(number_of(cloud, "api.throttling.interval")) * 1000
        most = int(number_of(cloud, "api.throttling.max"))
        since_ms, count = self._begun.get(who.account_id, (now_ms, 0))
        if not 0 <= now_ms - since_ms < length_ms:  # before it began: the clock was set back
            since_ms, count = now_ms, 0
        if count >= most:
            wait_s = -(-(since_ms + length_ms - now_ms) // 1000)
            raise TooMany(
                f"account {who.account} has made its {most} requests of this interval: "
                f"ask again in {wait_s} s"
            )
        self._begun[who.account_id] = since_ms, count + 1
        if len(self._begun) > KEPT:
            self._begun.popitem(last=False)
