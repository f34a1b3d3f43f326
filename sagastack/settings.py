"""Where a controller lives and listens. Everything has a default that works."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

# Where a controller leaves its address in its data folder, for tools that look for it there.
ENDPOINT_FILE = "endpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`store` empty means SQLite in `home`. `port` 0 asks the machine for a free one."""

    home: Path
    host: str = "127.0.0.1"
    port: int = 8080
    integration_port: int = 0
    store: str = ""
    simulator: dict[str, str] = field(default_factory=dict)
    libvirt: dict[str, str] = field(default_factory=dict)
    checkpoint_events: int = 20_000
    reconcile_s: float = 30.0

    @property
    def store_url(self) -> str:
        return self.store or f"sqlite:///{self.home / 'log.db'}"

    @classmethod
    def from_environment(cls, **chosen: object) -> Settings:
        """`SAGASTACK_HOME`, `SAGASTACK_PORT` and `SAGASTACK_STORE`, unless said otherwise."""
        env = os.environ
        values: dict[str, object] = {
            "home": Path(env.get("SAGASTACK_HOME", "var")).resolve(),
            "port": int(env.get("SAGASTACK_PORT", "8080")),
            "store": env.get("SAGASTACK_STORE", ""),
        }
        values |= {name: value for name, value in chosen.items() if value is not None}
        return cls(**values)  # type: ignore[arg-type]
