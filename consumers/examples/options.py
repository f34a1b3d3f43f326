"""What the examples are told on their command line; keys come from the environment alone."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from consumers import ConsumerError, Stream, consume


def parser(about: str) -> argparse.ArgumentParser:
    """Every example follows a source."""
    made = argparse.ArgumentParser(
        description=about,
        epilog="SAGASTACK_KEY and SAGASTACK_SECRET are the API keys for https sources.",
    )
    made.add_argument("source", help="https://host:port/events or kafka://host:port?prefix=...")
    return made


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """Run an example until it ends; what it cannot mend is one line, and its exit status 1."""
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        return 130
    except (ConsumerError, OSError) as error:
        print(f"{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
        return 1
    return 0


def web(text: str) -> str:
    """An argument that is posted to."""
    try:
        known = urlsplit(text).scheme in ("http", "https") and bool(urlsplit(text).hostname)
    except ValueError:
        known = False
    if not known:
        raise argparse.ArgumentTypeError(f"{text} is not understood: write https://host/path")
    return text


def seconds(text: str) -> float:
    """An argument that is a time to wait."""
    if not 0 <= (asked := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no time to wait: give seconds, 0 or more")
    return asked


def follow(source: str, **options: Any) -> Stream:
    """The stream of a source, with the keys of the environment."""
    key, secret = (os.environ.get(f"SAGASTACK_{name}", "") for name in ("KEY", "SECRET"))
    return consume(source, key=key, secret=secret, **options)


def is_group(source: str) -> bool:
    """Does Kafka keep this source's place?"""
    return "group=" in source
