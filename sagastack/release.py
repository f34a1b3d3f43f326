"""Which release this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def release() -> str:
    try:
        return version("sagastack")
    except PackageNotFoundError:
        return "unknown"
