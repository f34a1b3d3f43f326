"""Where a controller lives and listens. Everything has a default that works."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import inf
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

# Where a controller leaves its address in its data folder, for tools that look for it there.
ENDPOINT_FILE = "endpoint"
OURS = "SAGASTACK_"
DRIVER = f"{OURS}DRIVER_"
PORT_MAX = 65_535
STORES = ("sqlite", "postgres", "postgresql")

T = TypeVar("T")


class BadSetting(ValueError):
    """A setting that cannot be understood; the text says which and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`store` empty means SQLite in `home`. `port` 0 asks the machine for a free one."""

    home: Path
    host: str = "127.0.0.1"
    port: int = 8080
    integration_port: int = 0
    store: str = ""
    kafka: str = ""
    topics: str = "sagastack"
    simulator: dict[str, str] = field(default_factory=dict)
    libvirt: dict[str, str] = field(default_factory=dict)
    drivers: dict[str, dict[str, str]] = field(default_factory=dict)
    checkpoint_events: int = 20_000
    reconcile_s: float = 30.0
    otlp: str = ""
    snmp: str = ""
    snmp_oid: str = ""
    vault_key_file: Path | None = None
    new_sealed_store: bool = False
    seals: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what another part would stumble over, or take for something else."""
        for port in (self.port, self.integration_port):
            if not 0 <= port <= PORT_MAX:
                raise BadSetting(f"there is no port {port}: give one up to {PORT_MAX}, 0 for any")
        if not 0 < self.reconcile_s < inf:
            text = f"SAGASTACK_RECONCILE_S={self.reconcile_s}: give seconds, more than 0"
            raise BadSetting(text)
        if self.checkpoint_events < 1:
            text = f"SAGASTACK_CHECKPOINT_EVENTS={self.checkpoint_events}: give 1 or more"
            raise BadSetting(text)
        if self.store and urlsplit(self.store).scheme not in STORES:
            raise BadSetting("a store is sqlite:///FILE or postgres://..., and this one is neither")

    @property
    def vault_file(self) -> Path:
        """The sealed store of a single controller; several share a table."""
        return self.home / "secrets.db"

    @property
    def vault_key(self) -> Path:
        """The key that opens the sealed store, wherever that lies; controllers of one share it."""
        return self.vault_key_file or self.home / "secrets.db.key"

    @property
    def seals_folder(self) -> Path:
        """Where the seals are, for anybody to keep a copy of."""
        return self.seals or self.home

    @property
    def reached_at(self) -> str:
        """The host in addresses that people are told: one that listens everywhere names none."""
        return "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host

    @property
    def store_url(self) -> str:
        return self.store or f"sqlite:///{self.home / 'log.db'}"

    @classmethod
    def from_environment(cls, **chosen: object) -> Settings:
        """What the variables below say, unless chosen otherwise.

        `SAGASTACK_HOME`, `_PORT`, `_STORE`; `SAGASTACK_KAFKA`: host:port of a broker or several,
        `SAGASTACK_TOPICS`: how the names of its topics begin; `SAGASTACK_VAULT_KEY_FILE`: the key
        of the sealed store, `SAGASTACK_SEALS`: the folder of the seals, where these are not in
        the home; `SAGASTACK_RECONCILE_S`: seconds between two looks at
        the world; `SAGASTACK_CHECKPOINT_EVENTS`: how many events between two checkpoints;
        `SAGASTACK_OTLP`: address of a collector of traces; `SAGASTACK_SNMP`: receivers of traps,
        `SAGASTACK_SNMP_OID`: what the MIB lies below, if that is not the example's number;
        `SAGASTACK_SIMULATOR` and `SAGASTACK_LIBVIRT`: settings of these drivers;
        `SAGASTACK_DRIVER_<NAME>`: those of another, by the name of its folder.
        """
        values: dict[str, object] = {
            "home": Path(os.environ.get("SAGASTACK_HOME", "var")).resolve()
        }
        for name, kind in READ.items():
            variable = f"{OURS}{name.upper()}"
            text = os.environ.get(variable, "")
            values |= {name: _read(variable, text, kind)} if text else {}
        values["drivers"] = {
            name.removeprefix(DRIVER).lower(): _read(name, text, pairs)
            for name, text in os.environ.items()
            if name.startswith(DRIVER)
        }
        values |= {name: value for name, value in chosen.items() if value is not None}
        return cls(**values)  # type: ignore[arg-type]


def pairs(text: str) -> dict[str, str]:
    """`delay_s=0.02,seed=7` as a dict. A part without `=` goes on with the value before it."""
    found: dict[str, str] = {}
    name = ""
    for part in filter(None, text.split(",")):
        head, equals, value = part.partition("=")
        if equals:
            name = head.strip()
            found[name] = value
        elif name:
            found[name] += f",{part}"
        else:
            raise ValueError("settings of a driver are name=value, joined by commas")
    return found


def whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("it is a whole number") from None


def seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("it is a number of seconds") from None


def folder(text: str) -> Path:
    return Path(text).resolve()


READ: dict[str, Callable[[str], object]] = {
    "port": whole,
    "store": str,
    "kafka": str,
    "topics": str,
    "simulator": pairs,
    "libvirt": pairs,
    "checkpoint_events": whole,
    "reconcile_s": seconds,
    "otlp": str,
    "snmp": str,
    "snmp_oid": str,
    "vault_key_file": folder,
    "seals": folder,
}
"""What the environment may say, beside the home, and how that is read."""


def _read(variable: str, text: str, kind: Callable[[str], T]) -> T:
    try:
        return kind(text)
    except ValueError as error:
        raise BadSetting(f"{variable}={text} is not understood: {error}") from error


def misspelt(environment: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Variables that say nothing to a controller, and look like one that does."""
    known = ["HOME", *map(str.upper, READ)]
    for variable in environment:
        name = variable.removeprefix(OURS)
        if variable.startswith(OURS) and name not in known and not variable.startswith(DRIVER):
            for meant in get_close_matches(name, known, n=1):
                yield variable, f"{OURS}{meant}"
