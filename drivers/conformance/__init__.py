"""The driver contract, executable: properties that every driver keeps, with no test framework.

`compute_checks()` and `storage_checks()` are lists of named properties; `await check.run(harness)`
raises `Broken` if the driver behind the harness does not keep one, and otherwise says why it is
exempt, or nothing. A driver is done when it keeps them all.
"""

from drivers.conformance import (
    adoption,
    answers,
    cannot,
    copies,
    growth,
    guests,
    hooks,
    hosts,
    kept,
    moves,
    routers,
    storage,
)
from drivers.conformance.checks import Broken, Check, Exempt, Rig
from drivers.conformance.harness import Harness

__all__ = ["Broken", "Check", "Exempt", "Harness", "Rig", "compute_checks", "storage_checks"]


def compute_checks() -> list[Check]:
    """Every promise about hosts and guests."""
    return [
        *hosts.SUITE,
        *guests.SUITE,
        *moves.SUITE,
        *answers.SUITE,
        *growth.SUITE,
        *kept.SUITE,
        *adoption.SUITE,
        *hooks.SUITE,
        *routers.SUITE,
        *cannot.SUITE,
    ]


def storage_checks() -> list[Check]:
    """Every promise about pools, disks and copies of them."""
    return [*storage.SUITE, *copies.SUITE]
