"""Everything that a seed decides: identities, chances, and which ills this run has at all.

A run with every ill at once finds less than runs with some of them each, because ills mask one
another; so each seed draws its own mixture ("Swarm Testing", Groce and others, 2012).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from uuid import UUID

from drivers.sim import SimFaults
from drivers.sim.faults import VERBS, Fault

WORST_PROBABILITY = 0.12
WORST_DELAY_S = 3.0


class Chance:
    """One stream of randomness; streams of one seed do not disturb each other."""

    def __init__(self, seed: int, purpose: str) -> None:
        self.rng = random.Random(f"{seed}:{purpose}")

    def new_id(self) -> UUID:
        return UUID(int=self.rng.getrandbits(128), version=4)

    def token(self, size_bytes: int) -> str:
        return self.rng.randbytes(size_bytes).hex()


@dataclass(frozen=True, slots=True)
class Ills:
    """What may go wrong in this run. A `every_s` of 0 means never."""

    power_every_s: float
    partition_every_s: float
    pool_every_s: float
    death_every_s: float
    crash_every_commits: int
    jump_every_s: float
    commit_s: float
    operators: bool
    calls: tuple[tuple[str, Fault, float], ...]
    delay_s: float

    @classmethod
    def of(cls, seed: int) -> Ills:
        rng = random.Random(f"{seed}:ills")

        def maybe(low: float, high: float) -> float:
            return rng.uniform(low, high) if rng.random() < 0.6 else 0.0

        verbs = sorted(VERBS)
        calls = [
            (rng.choice(verbs), rng.choice(list(Fault)), rng.uniform(0.01, WORST_PROBABILITY))
            for _ in range(rng.choice((0, 2, 5, 8)))
        ]
        return cls(
            power_every_s=maybe(20, 120),
            partition_every_s=maybe(10, 60),
            pool_every_s=maybe(20, 120),
            death_every_s=maybe(5, 60),
            crash_every_commits=int(maybe(20, 300)),
            jump_every_s=maybe(10, 60),
            commit_s=rng.choice((0.0005, 0.005, 0.05)),
            operators=rng.random() < 0.5,
            calls=tuple(calls),
            delay_s=rng.choice((0.0, 0.1, WORST_DELAY_S)),
        )

    def faults(self, seed: int) -> SimFaults:
        faults = SimFaults(seed, delays_s={"*": self.delay_s} if self.delay_s else {})
        for verb, fault, probability in self.calls:
            faults.fail(verb, fault, probability=probability)
        return faults

    def __str__(self) -> str:
        """The mixture on one line."""
        named = [
            (name.removesuffix("_s"), getattr(self, name))
            for name in ("power_every_s", "partition_every_s", "pool_every_s", "death_every_s")
        ]
        named += [("crash_every", self.crash_every_commits), ("jump_every", self.jump_every_s)]
        told = [f"{name}={value:.0f}" for name, value in named if value]
        told += [f"{verb}:{fault}:{probability:.2f}" for verb, fault, probability in self.calls]
        return " ".join([*told, f"delay={self.delay_s}", f"commit={self.commit_s}"])
