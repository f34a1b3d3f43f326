"""Standard output that loses nothing.

Under PYTHONUNBUFFERED, which images of containers like to set, Python hands a text to the system in
one call and forgets what that did not take: behind a full pipe, the rest of an export was missing
and nothing said so.
"""

from __future__ import annotations

import io
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def whole_output() -> Iterator[None]:
    """What is printed meanwhile is written until all of it is; a line at a time."""
    before = sys.stdout
    raw = getattr(before, "buffer", None)
    if not isinstance(raw, io.RawIOBase):
        yield
        return
    sys.stdout = out = io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=before.encoding, errors=before.errors, line_buffering=True
    )
    try:
        yield
    finally:
        sys.stdout = before
        # Written to the end, and open still for whoever comes behind.
        out.detach().detach()


def reader_gone() -> bool:
    """Whether whoever read standard output has closed it: `head`, for example."""
    poll = select.poll()
    poll.register(sys.__stdout__ or 1, 0)
    return any(what & select.POLLERR for _, what in poll.poll(0))
