"""What a machine's BMC is asked for, whatever it speaks. `ipmi.py` and `redfish.py` fulfil it.

A BMC answers for itself, not for the machine: what it says of the power is checked in `power.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from drivers.contract.compute import Console, Sensor


class Turn(StrEnum):
    """What can be asked of the power. `SOFT` presses the button and lets the system decide."""

    ON = "on"
    OFF = "off"
    SOFT = "soft"
    RESET = "reset"


class Boot(StrEnum):
    """Where a machine boots from."""

    NETWORK = "network"
    DISK = "disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class BmcFacts:
    """What a BMC says of its machine; what it does not say is empty or 0."""

    uuid: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""
    health: str = ""


class Bmc(Protocol):
    """One machine's BMC, connected. Every call has a deadline and fails as the contract says."""

    name: str

    async def facts(self) -> BmcFacts: ...

    async def is_on(self) -> bool: ...

    async def turn(self, how: Turn) -> None:
        """Ask; whether it came true is for `is_on` to say."""

    async def boot_from(self, device: Boot, *, once: bool, uefi: bool) -> None: ...

    async def sensors(self) -> tuple[Sensor, ...]: ...

    async def prepare(self) -> bool:
        """Make RAID volumes and firmware settings what the URL asks for; True if one changed."""

    async def console(self) -> Console:
        """Where the machine's serial console is. Refused: this BMC has none to be reached."""

    async def close(self) -> None: ...
