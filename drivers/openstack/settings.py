"""What an operator may set for the OpenStack driver; an unknown name is an error, not a silence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from drivers.contract.errors import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`call_s` bounds one request, `task_s` what Nova or Cinder does behind one, `image_s` copies.

    `let_go_s` is how long volumes of a server that is gone may be in use before they are freed.
    `poll_s` is the pause between two looks at everything that is waited for. `cpu_mhz` is the
    speed that a core is taken to have: Nova does not tell it.
    """

    state: str = ""
    call_s: float = 30.0
    task_s: float = 300.0
    image_s: float = 4 * 3600.0
    let_go_s: float = 30.0
    poll_s: float = 1.0
    cpu_mhz: int = 2000
    page: int = 500


def read_settings(said: Mapping[str, Any]) -> Settings:
    """The settings, each as its own type."""
    types: dict[str, Any] = {one.name: type(one.default) for one in fields(Settings)}
    if unknown := sorted(set(said) - set(types)):
        raise Refused(f"the OpenStack driver has no setting {unknown[0]}: it has {sorted(types)}")
    try:
        return Settings(**{name: types[name](value) for name, value in said.items()})
    except ValueError as error:
        raise Refused(f"a setting of the OpenStack driver is no number: {error}") from error
