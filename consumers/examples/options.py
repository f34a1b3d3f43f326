"""What the examples are told on their command line; keys come from the environment alone."""

from __future__ import annotations

import argparse
import os
from typing import Any

from consumers import Stream, consume


def parser(about: str) -> argparse.ArgumentParser:
    """Every example follows a source."""
    made = argparse.ArgumentParser(
        description=about,
        epilog="SAGASTACK_KEY and SAGASTACK_SECRET are the API keys for https sources.",
    )
    made.add_argument("source", help="https://host:port/events or kafka://host:port?prefix=...")
    return made


def follow(source: str, **options: Any) -> Stream:
    """The stream of a source, with the keys of the environment."""
    key, secret = (os.environ.get(f"SAGASTACK_{name}", "") for name in ("KEY", "SECRET"))
    return consume(source, key=key, secret=secret, **options)


def is_group(source: str) -> bool:
    """Does Kafka keep this source's place?"""
    return "group=" in source
