"""The agent on a machine as we see it: what it reported, and the orders that it is given.

The agent asks for orders over HTTP, one after the other, and says when each is done; this side
only waits. An order has a name: asked for again while it is under way, it is the same order, so
a call that was cancelled and comes back finds its work instead of beginning it twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from drivers.contract.errors import Refused, Unavailable

POLL_S = 10.0
SILENT_S = 40.0


@dataclass
class Order:
    """One order: what the agent is told, what it fetches for it, and what became of it."""

    number: int
    name: str
    words: str
    payload: bytes | Path | None = None
    then: Callable[[], None] | None = None
    sent: bool = False
    progress: int = 0
    result: str = ""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def line(self) -> str:
        return f"{self.number} {self.words}"


class Agent:
    """The agent that was booted with one token. It is there while it keeps asking."""

    def __init__(
        self,
        who: str,
        now_s: Callable[[], float],
        *,
        poll_s: float = POLL_S,
        silent_s: float = SILENT_S,
    ) -> None:
        self._who, self._now_s = who, now_s
        self._poll_s, self.silent_s = poll_s, silent_s
        self.reported: dict[str, list[str]] | None = None
        self.arrived = asyncio.Event()
        self._orders: dict[int, Order] = {}
        self._more = asyncio.Event()
        self._heard_s: float | None = None
        self._last = 0
        self._must_be_off = False
        self.lies = 0

    # ---- what the machine does -------------------------------------------------------------

    def heard(self) -> None:
        self._heard_s = self._now_s()
        self.lies += self._must_be_off

    def hello(self, reported: dict[str, list[str]]) -> None:
        self.heard()
        self.reported = reported
        self.arrived.set()

    async def next_order(self) -> Order | None:
        """The order that comes first, waited for as long as the agent is content to."""
        self.heard()
        try:
            async with asyncio.timeout(self._poll_s):
                while not (waiting := [o for o in self._orders.values() if not o.over.is_set()]):
                    self._more.clear()
                    await self._more.wait()
                    if self._must_be_off:
                        return None
        except TimeoutError:
            return None
        waiting[0].sent = True
        return waiting[0]

    def find(self, number: int) -> Order | None:
        return self._orders.get(number)

    def finish(self, number: int, result: str) -> None:
        self.heard()
        order = self._orders.get(number)
        if order is None or order.over.is_set():
            return
        order.result = result
        if result == "ok" and order.then is not None:
            order.then()
        order.over.set()

    # ---- what we ask for -------------------------------------------------------------------

    @property
    def is_here(self) -> bool:
        """It has asked lately. One that was cut off from power is missed after `silent_s`."""
        return self._heard_s is not None and self._now_s() - self._heard_s < self.silent_s

    def gone(self) -> None:
        """Its machine was turned off. One that asks all the same is counted as a lie of the BMC's.

        A request that waits is let go of, so that an agent that lives on asks again at once.
        """
        self._heard_s, self._must_be_off, self.lies = None, True, 0
        self._more.set()
        self.arrived.clear()
        for order in self._orders.values():
            if not order.over.is_set():
                order.result = "failed the machine was turned off"
                order.over.set()
        self._orders.clear()

    def may_be_on(self) -> None:
        self._must_be_off = False

    @property
    def busy(self) -> str:
        """The name of the order that is under way, or nothing."""
        return next((o.name for o in self._orders.values() if not o.over.is_set()), "")

    def give(
        self,
        name: str,
        words: str,
        *,
        payload: bytes | Path | None = None,
        then: Callable[[], None] | None = None,
    ) -> Order:
        """An order of this name that is under way already, or a new one."""
        for order in self._orders.values():
            if order.name == name and not order.over.is_set():
                return order
        self._last += 1
        order = Order(self._last, name, words, payload, then)
        self._orders[order.number] = order
        self._more.set()
        return order

    async def wait(self, order: Order, *, within_s: float = 0.0) -> bool:
        """Until the agent has done it; False if it is still at work after `within_s` (0: never).

        Unavailable: it fell silent. Refused: it tried, and says why it could not.
        """
        loop = asyncio.get_running_loop()
        end_s = loop.time() + within_s if within_s else None
        while not order.over.is_set():
            left_s = 2.0 if end_s is None else min(2.0, end_s - loop.time())
            if left_s <= 0:
                return False
            try:
                async with asyncio.timeout(left_s):
                    await order.over.wait()
            except TimeoutError:
                if not self.is_here:
                    raise Unavailable(
                        f"the agent on {self._who} fell silent during: {order.name}; it is booted "
                        "again at the next try"
                    ) from None
        self._orders.pop(order.number, None)
        if order.result != "ok":
            words = order.result.removeprefix("failed").strip() or "it does not say why"
            kind = Unavailable if "turned off" in words or "fetch" in words else Refused
            raise kind(f"the agent on {self._who} could not: {order.name}: {words}")
        return True
