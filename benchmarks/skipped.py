"""What a benchmark raises that cannot be made here: a server that it needs is missing."""

from __future__ import annotations

import os


class Skipped(Exception):
    """The text says what is missing. In a run that requires every peer, that is a failure."""


def required() -> bool:
    return os.environ.get("SAGASTACK_REQUIRE_PEERS") == "1"
