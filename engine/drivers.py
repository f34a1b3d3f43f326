"""The drivers that are there: one folder each, walked at start-up, known by their kind.

A driver whose library is not installed is left out, and asking for its kind says why.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from typing import cast

import drivers as packages
from aggregates.errors import Invalid
from drivers.contract.driver import Driver
from engine.rehearsal import mark_beside

# Kinds by the folder of their driver, for a word about one that could not be loaded.
KINDS = {"sim": "Simulator", "libvirt": "KVM"}
NO_DRIVERS = ("contract", "conformance")


class Drivers:
    """Drivers by kind. Made from drivers; `Drivers.load` makes those that the folders hold."""

    def __init__(self, found: Iterable[Driver], missing: Mapping[str, str] | None = None) -> None:
        self._by_name = {one.kind.lower(): one for one in found}
        self._missing = {kind.lower(): why for kind, why in (missing or {}).items()}

    @classmethod
    def load(cls, settings: Mapping[str, Mapping[str, str]] | None = None) -> Drivers:
        """Make every driver that can be, each with its own settings, by the name of its folder.

        In a rehearsal no driver is made but the simulator, which stands in for all kinds.
        """
        if (mark := mark_beside((settings or {}).values())) is not None:
            stand_in = importlib.import_module("drivers.sim.stand_in")
            return cls(stand_in.make_all(mark, (settings or {})["sim"], KINDS.values()))
        found, missing = [], {}
        for package in pkgutil.iter_modules(packages.__path__):
            if package.name in NO_DRIVERS or not package.ispkg:
                continue
            try:
                make = _made_by(package.name)
            except ImportError as error:
                missing[KINDS.get(package.name, package.name)] = str(error)
                continue
            found.append(make((settings or {}).get(package.name, {})))
        return cls(found, missing)

    def get(self, hypervisor: str) -> Driver:
        """The driver of a kind, in any spelling."""
        driver = self._by_name.get(hypervisor.strip().lower())
        if driver is not None:
            return driver
        kinds = " and ".join(one.kind for one in self._by_name.values()) or "none"
        why = self._missing.get(hypervisor.strip().lower())
        because = f"its library is missing ({why})" if why else "there is no driver for it"
        raise Invalid(
            f"{hypervisor} hosts cannot be used here: {because}; this controller drives {kinds}",
            field="hypervisor",
        )

    def kinds(self) -> list[str]:
        """Every kind that can be driven."""
        return sorted(one.kind for one in self._by_name.values())

    async def close(self) -> None:
        for driver in self._by_name.values():
            await driver.close()


def _made_by(folder: str) -> Callable[[Mapping[str, str]], Driver]:
    """The `make` of a driver's folder: of the package itself, or of its module `driver`."""
    module = importlib.import_module(f"drivers.{folder}")
    if not hasattr(module, "make"):
        module = importlib.import_module(f"drivers.{folder}.driver")
    return cast("Callable[[Mapping[str, str]], Driver]", module.make)
