"""Brings in what folders of nouns declare: nothing else knows which nouns there are."""

from __future__ import annotations

import importlib
import pkgutil


def load(*folders: str) -> None:
    """Import every module below these packages, so that what they declare is registered."""
    for folder in folders:
        package = importlib.import_module(folder)
        for found in pkgutil.walk_packages(package.__path__, f"{folder}."):
            importlib.import_module(found.name)
    if "engine.sagas" in folders:
        from engine.saga import SAGAS

        for saga in SAGAS.values():
            saga.check()
