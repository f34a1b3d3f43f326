"""The driver's settings: where its state is, and how patient it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from drivers.contract.errors import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`agent`: a folder with the agent's `vmlinuz` and `agent.gz`, made if it is not there.

    `settle_s`: how long a BMC may take to show the power that it was asked for. `every_s`: how
    often it is asked. `wipe_wait_s`: how long a removal waits for a wipe, which goes on by itself.
    `alive_s`: how long a started guest is watched where the power alone is its sign of life.
    `reboot_s`: how long a system may take to heed a reboot. `call_s`: bounds one request to a BMC.
    `poll_s`: how long an agent's request for orders waits here; `silent_s`: after which one that
    asked for none is gone.
    """

    state: Path
    agent: Path
    settle_s: float = 45.0
    every_s: float = 1.0
    wipe_wait_s: float = 30.0
    alive_s: float = 5.0
    reboot_s: float = 60.0
    call_s: float = 30.0
    poll_s: float = 10.0
    silent_s: float = 40.0


def read(settings: Mapping[str, str]) -> Settings:
    state = Path(settings.get("state") or "var/drivers/baremetal").absolute()
    times = {}
    for name in (one for one in Settings.__dataclass_fields__ if one.endswith("_s")):
        if name in settings:
            try:
                times[name] = float(settings[name])
            except ValueError as error:
                raise Refused(f"the setting {name}={settings[name]} is no number") from error
    agent = Path(settings["agent"]).absolute() if settings.get("agent") else state / "agent"
    return Settings(state=state, agent=agent, **times)
