"""Output that loses nothing: standard output, and files that are whole or not there.

Under PYTHONUNBUFFERED, which images of containers like to set, Python hands a text to the system in
one call and forgets what that did not take: behind a full pipe, the rest of an export was missing
and nothing said so.
"""

from __future__ import annotations

import errno
import io
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


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


FILES = {
    errno.ENOENT: "is not there: check the path",
    errno.ENOTDIR: "is not there: something on the way to it is no folder",
    errno.EISDIR: "is a folder: name a file",
    errno.EEXIST: "is there already: choose another name",
    errno.EACCES: "may not be used by this user: change who may, or run this as somebody else",
    errno.EPERM: "may not be used by this user: change who may, or run this as somebody else",
    errno.EROFS: "is on a file system that is only read: choose another place",
}


def in_words(error: Exception) -> str:
    """What went wrong, as people say it: of a file, which one it is and what to do."""
    if not isinstance(error, OSError):
        return str(error)
    if error.errno == errno.EADDRINUSE:
        return f"{error.strerror}: choose another port, or end what listens there"
    if not error.filename:
        return str(error)
    why = FILES.get(error.errno or 0, f"cannot be used: {error.strerror}")
    return f"{error.filename} {why}"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Where to write what is `path` once all of it is written; nothing is left of what is not.

    What is no file, as a pipe, is written to itself. An error says which file it was.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    partial = path.with_name(f"{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    except OSError as wrong:
        if wrong.filename in (None, partial, str(partial)):
            wrong.filename = str(path)
        raise
    finally:
        with suppress(OSError):
            partial.unlink()
