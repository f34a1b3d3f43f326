"""How quick the peer is, and what goes wrong with it. Tests change these while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.peers.garble import Garble


@dataclass(slots=True)
class Fault:
    """What happens to the next `times` calls of a method.

    `delay_s` is waited before anything; `drop` cuts the line `before` the call is done or
    `after` it; `error` is told in place of doing it; `status` is HTTP's, when it is done.
    """

    delay_s: float = 0.0
    drop: str = ""
    error: tuple[str, ...] = ()
    status: str = ""
    times: int = 1


@dataclass(slots=True)
class Behaviour:
    """`pace_s` is what a task takes; a guest has its PV drivers `boots_s` after its start, and
    heeds a clean shutdown in `shuts_s`. `session_s` is how long a session may lie idle."""

    pace_s: float = 0.01
    copy_s: float = 0.03
    boots_s: float = 0.05
    shuts_s: float = 0.05
    has_drivers: bool = True
    session_s: float = 86_400.0
    faults: dict[str, Fault] = field(default_factory=dict)
    garble: Garble = field(default_factory=Garble)

    def take(self, method: str) -> Fault | None:
        """The fault of this call, if it has one; a fault that is used up is gone."""
        fault = self.faults.get(method)
        if fault is None:
            return None
        fault.times -= 1
        if fault.times <= 0:
            del self.faults[method]
        return fault
