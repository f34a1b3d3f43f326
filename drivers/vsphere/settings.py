"""What an operator may set for the vSphere driver; an unknown name is an error, not a silence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from drivers.contract.errors import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`state` is a folder of the controller's for what is on its way to or from a datastore.

    `folder` is the inventory folder that holds the tenants' folders, and the datastore folder that
    holds the disks. `network` is the port group of a card whose network has no label. `page` is how
    many objects are asked for in one answer. `verb_s` bounds a question, `task_s` a task.
    """

    state: str = ""
    folder: str = "sagastack"
    network: str = ""
    page: int = 500
    threads: int = 8
    connect_s: float = 20.0
    verb_s: float = 60.0
    task_s: float = 600.0
    image_s: float = 4 * 3600.0
    migrate_s: float = 4 * 3600.0
    reboot_s: float = 60.0


def read_settings(given: Mapping[str, Any]) -> Settings:
    """Check names and numbers at start-up, when somebody is looking."""
    plain = Settings()
    kinds: dict[str, Any] = {one.name: type(getattr(plain, one.name)) for one in fields(plain)}
    if strange := sorted(set(given) - set(kinds)):
        raise Refused(f"vsphere driver: no setting named {', '.join(strange)}")
    try:
        return Settings(**{name: kinds[name](value) for name, value in given.items()})
    except ValueError as error:
        raise Refused(f"vsphere driver: a setting is no number: {error}") from error
