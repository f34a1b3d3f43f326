"""One way to follow a cloud: open a source, take events, commit when they are dealt with.

At least once is what holds by default: an event is delivered again unless it was committed after
it was handled. Whoever must not do a thing twice compares `event.id`, or keeps position and effect
in one transaction as `consumers.sink` does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from consumers.checkpoint import Checkpoint
from consumers.errors import BadSource
from consumers.event import Event

PATIENCE_S = 300.0
OPTIONS = ("prefix", "group", "member")


class Stream(ABC):
    """Events of a source in order, for as long as they are asked for. Made by `consume`.

    With a checkpoint, or with a Kafka group, `commit` remembers where this consumer stands; with
    neither it is the caller's to keep `event.position` and to come again with `after=`.
    """

    def __init__(
        self, *, after: int | None, topics: Iterable[str], checkpoint: Checkpoint | None
    ) -> None:
        self._after, self._checkpoint = after, checkpoint
        self._topics = tuple(topics)
        self._position = 0
        self._begun = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[Event]:
        if self._begun:
            raise BadSource("this stream is being read already: consume() makes another one")
        self._begun = True
        if self._after is None:
            self._after = await self._checkpoint.load() if self._checkpoint else 0
        self._position = self._after
        try:
            async for event in self._events(self._after):
                if self._wanted(event.topic):
                    self._taken(event)
                    yield event
        finally:
            await self.close()

    async def commit(self, event: Event | None = None) -> bool:
        """Everything up to `event`, or to the one that was taken last, is dealt with.

        True unless somebody else has taken over, to whom it may be told again.
        """
        if self._checkpoint is not None:
            await self._checkpoint.save(event.position if event else self._position)
        return True

    def _taken(self, event: Event) -> None:
        self._position = event.position

    def _wanted(self, topic: str) -> bool:
        return not self._topics or any(fnmatchcase(topic, one) for one in self._topics)

    @abstractmethod
    def _events(self, after: int) -> AsyncIterator[Event]:
        """What the source tells behind a position, whatever its topic."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of the source; what was not committed comes again. Twice does no harm."""


def consume(
    source: str,
    *,
    after: int | None = None,
    topics: Iterable[str] = (),
    checkpoint: Checkpoint | None = None,
    key: str = "",
    secret: str = "",
    patience_s: float = PATIENCE_S,
) -> Stream:
    """Follow a cloud from behind `after`, or from where `checkpoint` or the group stands.

    `source` is `kafka://host:port[,host:port]?prefix=...[&group=...[&member=...]]`, or the address
    of a controller's events, `https://host:port/events`, read with an API `key` and its `secret`.
    A `member` that comes again under its name has its partitions back at once; another's silence is
    waited out first. `topics` are patterns such as `vm.*`; none means all. `patience_s` is for how
    long a source may be away before `SourceGone` rises; until then it is asked again and again.
    """
    parts = urlsplit(source)
    if parts.scheme in ("http", "https"):
        from consumers.sse import SseStream

        return SseStream(
            source,
            key,
            secret,
            patience_s=patience_s,
            after=after,
            topics=topics,
            checkpoint=checkpoint,
        )
    if parts.scheme != "kafka" or not parts.netloc:
        raise BadSource(f"{source}: write kafka://host:port?prefix=... or https://host:port/events")
    options = parse_qs(parts.query)
    if unknown := set(options) - set(OPTIONS):
        raise BadSource(f"{source}: there is no option {sorted(unknown)}; there are {OPTIONS}")
    topic = options.get("prefix", ["sagastack"])[-1] + ".events"
    group = options.get("group", [""])[-1]
    if not group:
        from consumers.kafka_log import KafkaLogStream

        return KafkaLogStream(
            parts.netloc,
            topic,
            patience_s=patience_s,
            after=after,
            topics=topics,
            checkpoint=checkpoint,
        )
    if after is not None or checkpoint is not None:
        raise BadSource(
            f"{source}: a group's place is kept in Kafka; leave out `group` to say where to begin"
        )
    from consumers.kafka_group import KafkaGroupStream

    member = options.get("member", [""])[-1]
    return KafkaGroupStream(
        parts.netloc, topic, group, member, patience_s=patience_s, topics=topics
    )
