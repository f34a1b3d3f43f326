"""XAPI's database: objects under opaque references, and what has changed of them since when.

Every change has a number. That is what the tokens of `event.from` count, and deletions are
remembered for a while only, so that a token may be too old.
"""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from tests.peers.xapi.model import BACK, CLASSES, NULL, default, kind_of

GONE_MAX = 2000


class XapiError(Exception):
    """An error as a client is told it: a code of the reference, and its parameters."""

    def __init__(self, code: str, *params: object) -> None:
        super().__init__(code, *params)
        self.code, self.params = code, [str(one) for one in params]


def stamp(when_s: float) -> str:
    return datetime.fromtimestamp(when_s, UTC).strftime("%Y%m%dT%H:%M:%SZ")


class Store:
    """All objects of a pool. Records are dictionaries; only `put` and `add` may change them."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, dict[str, Any]]] = {cls: {} for cls in CLASSES}
        self._class: dict[str, str] = {}
        self._uuids: dict[tuple[str, str], str] = {}
        self._born: dict[str, int] = {}
        self._changed: dict[str, int] = {}
        self._gone: deque[tuple[int, int, str, str]] = deque(maxlen=GONE_MAX)
        self.now = 1
        self._news = asyncio.Event()

    def add(self, cls: str, *, uuid: str = "", **fields: Any) -> str:
        ref, uuid = f"OpaqueRef:{uuid4()}", uuid or str(uuid4())
        record = {name: default(kind_of(cls, name)) for name in CLASSES[cls]}
        unknown = set(fields) - set(record)
        assert not unknown, f"{cls} has no field {unknown}"
        self._of[cls][ref] = record | {"uuid": uuid} | fields
        self._class[ref], self._uuids[cls, uuid] = cls, ref
        self._tick(ref)
        self._born[ref] = self.now
        return ref

    def put(self, ref: str, **fields: Any) -> None:
        record = self._of[self._class[ref]][ref]
        unknown = set(fields) - set(record)
        assert not unknown, f"{self._class[ref]} has no field {unknown}"
        record.update(fields)
        self._tick(ref)

    def remove(self, ref: str) -> None:
        cls = self._class.pop(ref)
        record = self._of[cls].pop(ref)
        self._uuids.pop((cls, record["uuid"]), None)
        born = self._born.pop(ref)
        self._changed.pop(ref)
        self.now += 1
        self._gone.append((self.now, born, cls, ref))
        self._wake()

    def has(self, cls: str, ref: str) -> bool:
        return self._class.get(ref) == cls

    def get(self, cls: str, ref: str) -> dict[str, Any]:
        """The record as it is kept; a reference to nothing is the client's mistake."""
        record = self._of[cls].get(ref)
        if record is None:
            raise XapiError("HANDLE_INVALID", cls, ref)
        return record

    def shown(self, cls: str, ref: str) -> dict[str, Any]:
        """The record with the references of others to it."""
        record = dict(self.get(cls, ref))
        for (mine, field), (other, back) in BACK.items():
            if mine == cls:
                record[field] = self.refs(other, **{back: ref})
        return record

    def refs(self, cls: str, **fields: Any) -> list[str]:
        return [
            ref
            for ref, record in self._of[cls].items()
            if all(record[name] == value for name, value in fields.items())
        ]

    def by_uuid(self, cls: str, uuid: str) -> str:
        ref = self._uuids.get((cls, uuid))
        if ref is None:
            raise XapiError("UUID_INVALID", cls, uuid)
        return ref

    def operate(self, ref: str, task: str, operation: str) -> None:
        """Show that a task works on an object; with an empty operation that it does no longer."""
        if ref not in self._class:
            return
        now = dict(self._of[self._class[ref]][ref]["current_operations"])
        if operation:
            now[task] = operation
        else:
            now.pop(task, None)
        self.put(ref, current_operations=now)

    # ---- events --------------------------------------------------------------------------

    def since(self, number: int, wanted: list[str]) -> list[dict[str, Any]]:
        """What has happened to objects of these classes, or to these objects, after a number."""
        if number and self._gone and len(self._gone) == GONE_MAX and number < self._gone[0][0]:
            raise XapiError("EVENTS_LOST")
        told = []
        for ref, changed in self._changed.items():
            if changed > number and _meant(self._class[ref], ref, wanted):
                what = "add" if self._born[ref] > number else "mod"
                told.append((changed, what, self._class[ref], ref))
        if number:
            for gone, born, cls, ref in self._gone:
                if gone > number >= born and _meant(cls, ref, wanted):
                    told.append((gone, "del", cls, ref))
        events = []
        for changed, what, cls, ref in sorted(told):
            event: dict[str, Any] = {
                "id": changed,
                "timestamp": stamp(0),
                "class": cls.lower(),
                "operation": what,
                "ref": ref,
            }
            if what != "del":
                event["snapshot"] = self.shown(cls, ref)
            events.append(event)
        return events

    def counts(self) -> dict[str, int]:
        return {cls.lower(): len(held) for cls, held in self._of.items()}

    async def news(self, timeout_s: float) -> None:
        """Wait for any change."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return

    def _tick(self, ref: str) -> None:
        self.now += 1
        self._changed[ref] = self.now
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


def _meant(cls: str, ref: str, wanted: list[str]) -> bool:
    name = cls.lower()
    return any(one.lower() in ("*", name) or one == f"{name}/{ref}" for one in wanted)


__all__ = ["NULL", "Store", "XapiError", "stamp"]
