"""What was asked of each thing, and under which key: a call that comes too late does nothing.

A controller may be paused for a minute between deciding to call and calling. By then another one
has finished that step, or undone it, and went on. Two rules tell such a call apart, and it is
`Refused`:

- What a key has unmade is not made again under that key.
- A call that was made before is not repeated once another key has changed the same thing.

A thing is named by its place and its id. What was asked of it outlives it, up to the number of
things below; those that nobody asked anything of for longest are forgotten first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from uuid import UUID

from drivers.contract.errors import Refused
from drivers.sim.rows import Asked

# How many things are remembered, and how many calls for each of them.
THINGS_MAX = 50_000
CALLS_MAX = 12

# What takes away again what a verb makes, if both are asked for with one key.
UNMADE_BY = {
    "start_guest": "remove_guest",
    "arrive_guest": "remove_guest",
    "adopt_guest": "disown_guest",
    "attach_disk": "detach_disk",
    "attach_nic": "detach_nic",
    "create_disk": "remove_disk",
    "copy_disk": "remove_disk",
    "import_disk": "remove_disk",
    "move_disk": "remove_disk",
    "adopt_disk": "disown_disk",
    "snapshot_disk": "remove_snapshot",
    "snapshot_guest": "forget_snapshot",
}
# Verbs that leave a thing as they find it if it was asked to be so under another key.
ALIKE = {*UNMADE_BY, *UNMADE_BY.values(), "stop_guest"}


class Keys:
    """The newest calls for each thing, oldest first."""

    def __init__(self) -> None:
        # A plain dict looks for its first entry from where the first one ever was.
        self._calls: OrderedDict[tuple[str, UUID], tuple[Asked, ...]] = OrderedDict()

    def is_news(self, call: Asked) -> bool:
        """Whether the call is worth remembering; one that comes too late is refused."""
        calls = self._calls.get((call.where, call.subject), ())
        unmade_by = UNMADE_BY.get(call.verb)
        known = None
        for number, one in enumerate(calls):
            if one.key == call.key and one.verb == unmade_by:
                raise Refused(
                    f"{call.verb} {call.subject}: {one.verb} was asked for with this key since"
                )
            if one == call:
                known = number
        if known is None:
            return True
        alike = call.verb if call.verb in ALIKE else ""
        if any(one.key != call.key and one.verb != alike for one in calls[known + 1 :]):
            raise Refused(
                f"{call.verb} {call.subject}: it was done before with this key, and then changed"
                " under another"
            )
        return False

    def note(self, call: Asked) -> None:
        """Remember a call as the newest one for its thing."""
        thing = (call.where, call.subject)
        calls = self._calls.pop(thing, ())
        self._calls[thing] = (*calls[-CALLS_MAX + 1 :], call)
        if len(self._calls) > THINGS_MAX:
            self._calls.popitem(last=False)

    def __iter__(self) -> Iterator[Asked]:
        """All that is remembered, as it was asked."""
        for calls in self._calls.values():
            yield from calls
