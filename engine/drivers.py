"""The drivers that are there: one folder each, found by walking, made when first asked for.

A folder says in its `__init__` which kinds of hypervisor it drives (`KINDS`, as the wire spells
them) and which libraries it `NEEDS`; importing that costs nothing. Its `make_all(settings)`, in
the package or in its module `driver`, makes one driver for each kind. A kind whose library is not
installed cannot be used, and asking for it says why.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import drivers as packages
from aggregates.errors import Invalid
from drivers.contract.driver import Driver
from engine.rehearsal import mark_beside

NO_DRIVERS = ("contract", "conformance", "kit")


@dataclass(frozen=True, slots=True)
class Folder:
    """A driver's folder. `missing` is the library that it lacks here, if any."""

    name: str
    kinds: tuple[str, ...]
    missing: str = ""

    def make_all(self, settings: Mapping[str, str]) -> tuple[Driver, ...]:
        module: Any = importlib.import_module(f"drivers.{self.name}")
        if not hasattr(module, "make_all"):
            module = importlib.import_module(f"drivers.{self.name}.driver")
        made: tuple[Driver, ...] = module.make_all(settings)
        return made


def folders() -> list[Folder]:
    """Every driver's folder, in the order of their names."""
    return [
        _look(one.name)
        for one in pkgutil.iter_modules(packages.__path__)
        if one.ispkg and one.name not in NO_DRIVERS
    ]


class Drivers:
    """Drivers by kind: those given, and those that `folders` make when they are asked for."""

    def __init__(
        self,
        found: Iterable[Driver] = (),
        folders: Iterable[Folder] = (),
        settings: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._made = {one.kind.lower(): one for one in found}
        self._folders = {kind.lower(): one for one in folders for kind in one.kinds}
        self._settings = settings or {}

    @classmethod
    def load(cls, settings: Mapping[str, Mapping[str, str]] | None = None) -> Drivers:
        """The drivers of all folders, each with its own settings, by the name of its folder.

        In a rehearsal no driver is made but the simulator, which stands in for all kinds.
        """
        if (mark := mark_beside((settings or {}).values())) is not None:
            stand_in = importlib.import_module("drivers.sim.stand_in")
            kinds = [kind for one in folders() for kind in one.kinds]
            return cls(stand_in.stand_ins(mark, (settings or {})["sim"], kinds))
        return cls((), folders(), settings)

    def make(self, folder: str) -> None:
        """Make the drivers of a folder now: what is wrong with their settings is told at once."""
        for kind in [kind for kind, one in self._folders.items() if one.name == folder]:
            self.get(kind)

    def names(self) -> set[str]:
        """The folders that there are."""
        return {one.name for one in self._folders.values()}

    def get(self, hypervisor: str) -> Driver:
        """The driver of a kind, in any spelling."""
        name = hypervisor.strip().lower()
        folder = self._folders.get(name)
        if name not in self._made and folder is not None and not folder.missing:
            made = folder.make_all(self._settings.get(folder.name, {}))
            self._made |= {one.kind.lower(): one for one in made}
        if name in self._made:
            return self._made[name]
        because = "there is no driver for it"
        if folder is not None:
            because = f"its library is missing (No module named {folder.missing!r})"
        kinds = " and ".join(self.kinds()) or "none"
        raise Invalid(
            f"{hypervisor} hosts cannot be used here: {because}; this controller drives {kinds}",
            field="hypervisor",
        )

    def kinds(self) -> list[str]:
        """Every kind that can be driven."""
        able = (one for one in self._folders.values() if not one.missing)
        made = {one.kind for one in self._made.values()}
        return sorted(made | {kind for one in able for kind in one.kinds})

    async def close(self) -> None:
        for driver in self._made.values():
            await driver.close()


def _look(name: str) -> Folder:
    package = importlib.import_module(f"drivers.{name}")
    needs = getattr(package, "NEEDS", ())
    missing = next((one for one in needs if importlib.util.find_spec(one) is None), "")
    return Folder(name, tuple(package.KINDS), missing)
