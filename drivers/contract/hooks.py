"""An operator's own work on a host, as a script that lies there: one for each stage of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class HookStage(StrEnum):
    """When a script runs. Its name is that of its file, with `.sh`, `.py` or nothing behind it."""

    PRE_FLIGHT = "PreFlight"
    PRE_MAINTENANCE = "PreMaintenance"
    MAINTENANCE = "Maintenance"
    POST_MAINTENANCE = "PostMaintenance"


class HookEnd(StrEnum):
    """How a script ended: `ABSENT` there is none, `AVOID` it wants the host to be left alone."""

    ABSENT = "absent"
    DONE = "done"
    AVOID = "avoid"
    FAILED = "failed"


# The exit status by which a script asks for the host to be left alone, as CloudStack has it.
AVOIDS = 70


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """`folder` is the host's, `arguments` are words for the script. After `timeout_s` it is ended
    and has failed. With `only_look` nothing runs: the answer is `ABSENT` or `DONE`."""

    stage: HookStage
    folder: str
    timeout_s: int
    arguments: tuple[str, ...] = ()
    only_look: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HookResult:
    """`said` is the last of what the script wrote, for people."""

    end: HookEnd
    said: str = ""


def end_of(status: int) -> HookEnd:
    """What an exit status means."""
    return {0: HookEnd.DONE, AVOIDS: HookEnd.AVOID}.get(status, HookEnd.FAILED)
