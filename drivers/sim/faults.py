"""What goes wrong in a simulated data centre, and how long things take there: all of it by seed.

A draw depends on the seed, the verb, the thing that the verb is about and how often that was asked
before; never on the order in which tasks happen to run. The same seed therefore hurts the same
calls again, and a retry of a call is a new draw.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from uuid import UUID

from drivers.contract.compute import Compute
from drivers.contract.errors import Refused
from drivers.contract.storage import Storage
from drivers.sim.address import identity

ANY = "*"
VERBS = frozenset(
    {name for part in (Compute, Storage) for name in vars(part) if not name.startswith("_")}
    | {"connect", ANY}
)


class Fault(StrEnum):
    """How a verb fails. The engine sees only the error; the difference is what the world holds."""

    BEFORE = "before"  # Unavailable, and nothing was done.
    REFUSED = "refused"  # Refused, and nothing was done.
    AFTER = "after"  # It was done, and the answer was lost: Unknown.
    UNKNOWN = "unknown"  # It was done or it was not, by the seed: Unknown.


@dataclass(frozen=True, slots=True)
class Plan:
    """What one call will meet: waits around the moment it takes effect, and how it ends."""

    before_s: float = 0.0
    after_s: float = 0.0
    fault: Fault | None = None
    happens: bool = True


CLEAR = Plan()


@dataclass(slots=True, kw_only=True)
class Rule:
    """One reason for a verb to fail; empty conditions match every call.

    `nth` counts the matching calls since the rule was made and hits that one alone; without it
    each of them is hit with `probability`, `times` times at most. `hits` counts for the tests.
    """

    verb: str
    fault: Fault
    host: str = ""
    subject: UUID | None = None
    probability: float = 1.0
    nth: int = 0
    times: int | None = None
    calls: int = 0
    hits: int = 0

    def matches(self, verb: str, host: str, subject: UUID | None) -> bool:
        """Whether the rule is about this call; a call that it is about is counted."""
        if self.verb not in (ANY, verb) or (self.host and self.host != host):
            return False
        if self.subject is not None and self.subject != subject:
            return False
        self.calls += 1
        return True

    def strikes(self, draw: float) -> bool:
        """Whether the rule hits the call that it counted last."""
        if self.times is not None and self.hits >= self.times:
            return False
        return self.calls == self.nth if self.nth else draw < self.probability


class SimFaults:
    """The ills of one simulated data centre. With none given, every verb is instant and works."""

    def __init__(
        self,
        seed: int = 0,
        *,
        delays_s: Mapping[str, float] | None = None,
        shutdown_s: float = 0.0,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`delays_s` is per verb, `*` for all others; `shutdown_s` is how long a guest takes
        to power off when it is asked to."""
        self.seed = seed
        self.shutdown_s = shutdown_s
        self.sleep = sleep
        self._delays_s = dict(delays_s or {})
        self._rules: list[Rule] = []
        self._asked: Counter[tuple[str, str, UUID | None]] = Counter()

    def fail(
        self,
        verb: str,
        fault: Fault,
        *,
        nth: int = 0,
        probability: float = 1.0,
        times: int | None = None,
        host: str = "",
        subject: UUID | None = None,
    ) -> Rule:
        """Let `verb` (`*`: any) fail; the first rule that strikes decides."""
        _require_verb(verb)
        rule = Rule(
            verb=verb,
            fault=fault,
            nth=nth,
            probability=probability,
            times=times,
            host=identity(host),
            subject=subject,
        )
        self._rules.append(rule)
        return rule

    def slow(self, verb: str, delay_s: float) -> None:
        """Let `verb` (`*`: any without a delay of its own) take this long; 0 makes it instant."""
        _require_verb(verb)
        self._delays_s[verb] = delay_s

    def clear(self) -> None:
        """Nothing goes wrong from now on, and nothing takes time."""
        self._rules.clear()
        self._delays_s.clear()

    def plan(self, verb: str, host: str, subject: UUID | None) -> Plan:
        """Decide what the next call meets."""
        delay_s = self._delays_s.get(verb, self._delays_s.get(ANY, 0.0))
        if not delay_s and not self._rules:
            return CLEAR
        if self._rules:
            self._asked[verb, host, subject] += 1
        moment, chance, coin = self._draw(verb, host, subject, self._asked[verb, host, subject])
        about = [rule for rule in self._rules if rule.matches(verb, host, subject)]
        rule = next((rule for rule in about if rule.strikes(chance)), None)
        fault = rule.fault if rule else None
        if rule:
            rule.hits += 1
        happens = {Fault.AFTER: True, Fault.UNKNOWN: coin < 0.5, None: True}.get(fault, False)
        # A cancelled call has then happened or not, as with any real backend.
        return Plan(delay_s * moment, delay_s * (1 - moment), fault, happens)

    def _draw(self, *facts: object) -> tuple[float, float, float]:
        """Three numbers in [0, 1) that only the seed and the facts decide."""
        text = repr((self.seed, *facts)).encode()
        digest = blake2b(text, digest_size=24).digest()
        first, second, third = (
            int.from_bytes(digest[at : at + 8], "big") / 2**64 for at in (0, 8, 16)
        )
        return first, second, third


def _require_verb(verb: str) -> None:
    """A fault that can never strike would be a test that proves nothing."""
    if verb not in VERBS:
        raise Refused(f"no driver has a verb {verb}; there are {', '.join(sorted(VERBS))}")
