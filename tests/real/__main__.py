"""End to end against real and emulated peers, the longer tests included: a line for each driver.

    python -m tests.real [--only-long] [pytest's own arguments]

`--only-long` leaves out what `make test` has run already.
"""

from __future__ import annotations

import sys

import pytest


def main(words: list[str]) -> int:
    which = "long" if "--only-long" in words else "real or long"
    rest = [word for word in words if word != "--only-long"]
    return int(pytest.main(["-p", "tests.real.lines", "-m", which, *rest]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
