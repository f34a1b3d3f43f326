"""What all sessions of a simulated data centre share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from drivers.sim.faults import SimFaults
from drivers.sim.world import SimWorld


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What all sessions of a driver share. `now_s` dates guests; it is never used to wait."""

    world: SimWorld
    faults: SimFaults
    now_s: Callable[[], float]
    serial_dir: Path | None = None
