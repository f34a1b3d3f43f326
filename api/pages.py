"""Pages of lists as the bytes that are sent, kept while they are asked for again.

Five hundred rows that are JSON already still have to be found, one by one, and copied together:
twice what it takes to send them. A page is kept from the second time on that it is asked for, for
as long as it is of the same rows. Where what was made of some of them is forgotten, only these are
put in anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from itertools import accumulate

from api.render import CLOSING

KEPT_BYTES = 64 * 2**20
FEW_ROWS = 20
"""A page of fewer is as quickly made as looked up."""
REMEMBERED = 65_536
"""How many pages that were asked for once are remembered, and how many rows that were forgotten."""


def joined(answers: Sequence[bytes]) -> bytes:
    """Answers with commas between, and what closes a list behind."""
    return b",".join((*answers[:-1], answers[-1] + CLOSING))


class Joined:
    """A page of the rows with these numbers, as of the `seen`th row that was forgotten.

    `stale` are the places of those that are to be put in anew, in order.
    """

    def __init__(self, numbers: Sequence[int], answers: Sequence[bytes], seen: int) -> None:
        self.numbers, self.seen = numbers, seen
        self.json = joined(answers)
        self.stale: list[int] = []
        self._sizes = list(map(len, answers))
        self._places = {number: place for place, number in enumerate(numbers)}

    def lose(self, forgotten: Sequence[int]) -> None:
        """What was made of these rows is forgotten."""
        places = self._places
        lost = [places[number] for number in forgotten if number in places]
        if lost:
            self.stale = sorted({*self.stale, *lost})

    def renew(self, answers: Sequence[bytes]) -> None:
        """Put these in for those that are stale."""
        sizes, old = self._sizes, memoryview(self.json)
        begins = list(accumulate(sizes, lambda begin, size: begin + size + 1, initial=0))
        parts: list[bytes | memoryview] = []
        done = 0
        for place, answer in zip(self.stale, answers, strict=True):
            parts += (old[done : begins[place]], answer)
            done = begins[place] + sizes[place]
            sizes[place] = len(answer)
        self.json = b"".join((*parts, old[done:]))
        self.stale = []


class Pages:
    """Pages by what they show and by their first row; what is asked for least of late goes.

    Rows are told by the numbers of their ids.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[tuple[Hashable, int, int], Joined] = OrderedDict()
        self._asked_once: OrderedDict[Hashable, None] = OrderedDict()
        self._forgotten: list[int] = []
        self._first = 0
        self.size_bytes = 0

    def get(self, shown: Hashable, numbers: Sequence[int]) -> Joined | None:
        """The page of these rows, as `shown` says; None if it is to be made."""
        key = (shown, numbers[0], len(numbers))
        page = self._kept.get(key)
        if page is None:
            return None
        if page.numbers != numbers or page.seen < self._first:
            self._drop(key)
            return None
        page.lose(self._forgotten[page.seen - self._first :])
        page.seen = self._first + len(self._forgotten)
        self._kept.move_to_end(key)
        return page

    def keep(self, shown: Hashable, numbers: Sequence[int], answers: Sequence[bytes]) -> bytes:
        """The page of these answers. It is kept if it was asked for before."""
        key = (shown, numbers[0], len(numbers))
        if len(numbers) < FEW_ROWS or not self._was_asked(key):
            return joined(answers)
        self._drop(key)
        page = self._kept[key] = Joined(numbers, answers, self._first + len(self._forgotten))
        self._grow(len(page.json))
        return page.json

    def renew(self, page: Joined, answers: Sequence[bytes]) -> None:
        """Put these in for those of a page that are stale."""
        before = len(page.json)
        page.renew(answers)
        if page in self._kept.values():  # to make answers may have had all pages forgotten
            self._grow(len(page.json) - before)

    def drop(self, shown: Hashable, numbers: Sequence[int]) -> None:
        """Keep this page no longer."""
        self._drop((shown, numbers[0], len(numbers)))

    def forgot(self, number: int) -> None:
        """What was made of the row with this number is to be made anew."""
        if not self._kept:
            return
        self._forgotten.append(number)
        if len(self._forgotten) > REMEMBERED:
            # A page that nobody has asked for since the older half was forgotten is not known any
            # more to be right.
            del self._forgotten[: REMEMBERED // 2]
            self._first += REMEMBERED // 2

    def clear(self, shown: Hashable) -> None:
        """Every row of what this shows is to be made anew."""
        for key in [key for key in self._kept if key[0] == shown]:
            self._drop(key)

    def _was_asked(self, key: Hashable) -> bool:
        """Was this page asked for before? From now on it was."""
        known = key in self._asked_once
        self._asked_once[key] = None
        self._asked_once.move_to_end(key)
        if len(self._asked_once) > REMEMBERED:
            self._asked_once.popitem(last=False)
        return known

    def _grow(self, by_bytes: int) -> None:
        self.size_bytes += by_bytes
        while self.size_bytes > self._kept_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: tuple[Hashable, int, int]) -> None:
        page = self._kept.pop(key, None)
        if page is not None:
            self.size_bytes -= len(page.json)
