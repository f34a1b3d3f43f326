"""Tells a chat of what people care about: hosts that go, guests that die, jobs that need a person.

    python -m consumers.examples.notifier https://cloud:8080/events https://hooks.example/T000/B000

The endpoint is given `{"text": ...}`, which Slack and its like take. One message goes out in
`--every` seconds at most; what happens in between shares one. An endpoint that asks for patience
(429, 5xx, no answer) is given it, and a message that was not taken before a crash is told again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import aiohttp

from consumers import ConsumerError, Event, FileCheckpoint, Stream
from consumers.batches import batches, commit
from consumers.examples.options import follow, is_group, parser, run, seconds, web
from consumers.patience import Patience

SENTENCES = {
    "host.connected": "Host {name} answers.",
    "host.disconnected": "Host {stream} is lost: {why}",
    "host.maintenance_entered": "Host {stream} is empty and in maintenance.",
    "host.maintenance_failed": "Host {stream} could not be emptied.",
    "finding.opened": "Found: {finding} {subject}: {text}",
    "finding.mended": "Mended: {how}",
    "saga.parked": "Job {stream} needs a person at step {step}: {text}",
    "storage_pool.maintenance_entered": "Pool {stream} is in maintenance.",
    "vm.stopped": "Guest {stream} stopped by itself: {why}",
}
LINES_MAX, TOGETHER, POST_S, PATIENCE_S = 10, 500, 15.0, 600.0
EVERY_S, LINGER_S = 5.0, 0.5


class Unwanted(ConsumerError):
    """The endpoint does not want this message, however often it is sent."""


def sentence(event: Event) -> str:
    """What people are told of an event; empty for what goes without saying."""
    words = SENTENCES.get(event.topic)
    if words is None or event.fields.get("why") == "":
        return ""
    try:
        return words.format(stream=event.stream, **event.fields)
    except KeyError:  # a newer cloud tells it otherwise
        return f"{event.topic} {event.stream}"


def message(lines: Sequence[str]) -> str:
    """A message that can be read in one go."""
    more = len(lines) - LINES_MAX
    return "\n".join([*lines[:LINES_MAX], *([f"... and {more} more"] if more > 0 else [])])


class Chat:
    """An endpoint that takes messages, as Slack's incoming webhooks do."""

    def __init__(self, url: str, *, patience_s: float = PATIENCE_S) -> None:
        self._url, self._patience_s = url, patience_s

    async def post(self, text: str) -> None:
        """Returns when the message was taken; `SourceGone` when patience ends."""
        patience = Patience("the chat", self._patience_s)
        limit = aiohttp.ClientTimeout(total=POST_S)
        async with aiohttp.ClientSession(timeout=limit) as session:
            while True:
                why: BaseException | str
                try:
                    async with session.post(self._url, json={"text": text}) as answer:
                        if answer.status < 300:
                            return
                        why = f"it answers {answer.status}"
                        if answer.status == 429:
                            await asyncio.sleep(_asked_s(answer.headers.get("Retry-After", "")))
                        elif answer.status < 500:
                            raise Unwanted(f"the chat refuses messages: {why}; look at its URL")
                except (aiohttp.ClientError, TimeoutError) as gone:
                    why = gone
                await patience.wait(why)


def _asked_s(text: str) -> float:
    """How long the endpoint asks to be left alone."""
    return min(float(text), 60.0) if text.isdigit() else 1.0


async def notify(stream: Stream, chat: Chat, *, every_s: float = EVERY_S) -> None:
    """Tell everything that there is a sentence for; what was told is committed."""
    async for batch in batches(stream, TOGETHER, LINGER_S):
        lines = [line for line in map(sentence, batch) if line]
        if lines:
            await chat.post(message(lines))
        await commit(stream, batch)
        if lines:
            await asyncio.sleep(every_s)


async def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("chat", type=web, help="where messages are posted to")
    options.add_argument("--every", type=seconds, default=EVERY_S, help="seconds between messages")
    options.add_argument("--place", default="notifier.place", help="the file that keeps the place")
    asked = options.parse_args()
    place = None if is_group(asked.source) else FileCheckpoint(asked.place)
    stream = follow(asked.source, topics=list(SENTENCES), checkpoint=place)
    await notify(stream, Chat(asked.chat), every_s=asked.every)


if __name__ == "__main__":
    raise SystemExit(run(main))
