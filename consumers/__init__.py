"""Follow a Sagastack cloud from your own program: `async for event in consume(source)`.

    async with consume("http://cloud:8080/events", key=KEY, secret=SECRET) as events:
        async for event in events:
            if event.topic == "vm.started":
                print(event.at, event.stream, event.data.host_id)

Sources are Kafka (`kafka://host:9092?prefix=sagastack&group=billing`, or without `group` the whole
log in its order) and a controller's server-sent events. See docs/integrations.md.
"""

from consumers.checkpoint import Checkpoint, FileCheckpoint
from consumers.errors import BadSource, ConsumerError, LogGap, NotAllowed, SourceGone, Unreadable
from consumers.event import Event
from consumers.stream import Stream, consume

__all__ = [
    "BadSource",
    "Checkpoint",
    "ConsumerError",
    "Event",
    "FileCheckpoint",
    "LogGap",
    "NotAllowed",
    "SourceGone",
    "Stream",
    "Unreadable",
    "consume",
]
