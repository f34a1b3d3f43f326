"""Lists that are asked for again and again are parsed once.

Consoles and tools ask the same list every few seconds, and turning thirty possible parameters into
a typed command costs more than to find its rows. Parsing is pure and its result is frozen, so what
was sent, and by which type of role, is all that it follows from.
"""

from __future__ import annotations

from typing import Any

from api.declare import Spec
from api.parse import Query, parse

KEPT = 1024
LONGEST = 2048


class Asks:
    """The lists of late, as typed commands; what was refused is parsed anew each time."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, tuple[tuple[str, str], ...]], Any] = {}

    def of(self, spec: Spec, query: Query, role_type: str) -> Any:
        """The typed command. What signs a request is no part of it, nor is what is unknown."""
        names, size = "".join(query), sum(map(len, query.values()))
        # A map is sent under names that no declaration has.
        if not spec.of_any_time or size > LONGEST or "[" in names or "]" in names:
            return parse(spec, query, role_type)
        known = spec.places
        sent = tuple([one for one in query.items() if one[0] in known])
        key = (spec.name, role_type, sent)
        made = self._kept.get(key)
        if made is None:
            made = parse(spec, query, role_type)
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[key] = made
        return made
