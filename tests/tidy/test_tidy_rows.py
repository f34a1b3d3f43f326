"""A row that is changed in place says so: what it holds is then never shared with other rows."""

from __future__ import annotations

import re

from tests.tidy.tree import modules

GROWS = re.compile(
    r"\brow\.\w+(\.(append|extend|insert|update|setdefault)\(|\[[^\]]+\] *[-+|]?=[^=]| *\|= )"
)
SAYS_SO = "GROWS_IN_PLACE: ClassVar[bool] = True"


def test_what_events_grow_in_place_is_not_shared() -> None:
    found = [
        f"{module.path}:{number}: {line.strip()}"
        for module in modules()
        if module.path.startswith("aggregates/") and SAYS_SO not in module.text
        for number, line in enumerate(module.text.splitlines(), 1)
        if GROWS.search(line)
    ]
    assert not found, f"give the row a new list or dict, or say {SAYS_SO}:\n" + "\n".join(found)


def test_the_rule_finds_what_it_is_for() -> None:
    for line in ("row.a.append(x)", "row.a[x] = 1", "row.a |= b", "row.a[k] += 1"):
        assert GROWS.search(line), line
    for line in ("row.a = [*row.a, x]", "if row.a[0] == 1:", "row.a.pop(x)"):
        assert not GROWS.search(line), line
