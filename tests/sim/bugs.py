"""What the program tells in its log of an error that nobody foresaw."""

from __future__ import annotations

import logging
import traceback
from types import TracebackType


class Bugs(logging.Handler):
    """As long as it is entered, it keeps each line of ours that comes with an exception."""

    def __init__(self) -> None:
        super().__init__()
        self._told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            error = "".join(traceback.format_exception(record.exc_info[1]))
            self._told.append(f"{record.getMessage()}\n{error}")

    def none(self) -> None:
        assert not self._told, self._told[0]

    def __enter__(self) -> Bugs:
        logging.getLogger("sagastack").addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        logging.getLogger("sagastack").removeHandler(self)
