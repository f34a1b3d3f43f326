"""Commands of `sagastack` run in this process: quicker than a process of its own for each."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout

from sagastack.cli import main


def run_tool(*words: str) -> tuple[int, str, str]:
    """A command in this process, what it writes kept, bytes and text in their order."""
    written, err = io.BytesIO(), io.StringIO()
    with redirect_stdout(io.TextIOWrapper(written, write_through=True)), redirect_stderr(err):
        try:
            status = main(list(words))
        except SystemExit as ended:
            status = int(ended.code or 0)
        sys.stdout.flush()
        said = written.getvalue().decode()
    return status, said, err.getvalue()
