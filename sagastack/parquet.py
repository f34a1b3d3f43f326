"""Events as a Parquet file: one column for each part of a row, the event itself as JSON text.

Events are told in the present shape of their topic, as in JSON lines.

Apart from the tools, as pyarrow is large and few need it: only an export imports this.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from engine.log import Stored, codec

WORDS = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema([
    ("position", pa.int64()),
    ("stream", pa.string()),
    ("version", pa.int32()),
    ("topic", WORDS),
    ("at", pa.timestamp("ms", tz="UTC")),
    ("user", WORDS),
    ("account", WORDS),
    ("saga", pa.string()),
    ("action", WORDS),
    ("data", pa.string()),
])  # fmt: skip


class ParquetFile:
    """A file that is being written; nothing reads it before it is closed."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd")

    def write(self, rows: Sequence[Stored]) -> None:
        """One row group."""
        columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
        for row in rows:
            known = codec.decode(row)
            for name, value in (
                ("position", row.position),
                ("stream", str(row.stream)),
                ("version", row.version),
                ("topic", row.topic),
                ("at", known.at_ms),
                ("user", _text(known.user)),
                ("account", _text(known.account)),
                ("saga", _text(known.saga)),
                ("action", known.action or None),
                ("data", msgspec.json.encode(known.event).decode()),
            ):
                columns[name].append(value)
        self._writer.write_table(pa.table(columns, schema=SCHEMA))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._writer.close()


def _text(value: object) -> str | None:
    return None if value is None else str(value)
