"""A page that is kept is, to the byte, what it would be if it were joined now."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from api.pages import FEW_ROWS, REMEMBERED, Joined, Pages, joined

ROWS = list(range(FEW_ROWS))


def answers(word: str, rows: list[int] = ROWS) -> list[bytes]:
    return [json.dumps({"id": number, "name": word}).encode() for number in rows]


def shown(pages: Pages, what: str, rows: list[int]) -> bytes | None:
    page = pages.get(what, rows)
    return None if page is None else page.json


def test_a_page_is_kept_when_it_is_asked_for_again() -> None:
    pages = Pages()
    assert pages.keep("shown", ROWS, answers("a")) == joined(answers("a"))
    assert pages.get("shown", ROWS) is None
    pages.keep("shown", ROWS, answers("b"))
    assert shown(pages, "shown", ROWS) == joined(answers("b"))
    assert pages.get("otherwise", ROWS) is None
    assert pages.get("shown", [*ROWS[:-1], 1_000]) is None, "it is of other rows"
    pages.keep("shown", ROWS, answers("c"))
    pages.forgot(1_000)
    assert shown(pages, "shown", ROWS) == joined(answers("c"))
    pages.drop("shown", ROWS)
    assert pages.get("shown", ROWS) is None
    pages.keep("shown", ROWS, answers("d"))
    pages.keep("otherwise", ROWS, answers("d"))
    pages.keep("otherwise", ROWS, answers("d"))
    pages.clear("shown")
    assert pages.get("shown", ROWS) is None and pages.get("otherwise", ROWS) is not None
    pages.clear("otherwise")
    assert pages.size_bytes == 0


def test_of_a_page_only_what_was_forgotten_is_put_in_anew() -> None:
    pages, page = Pages(), None
    for _ in range(2):
        pages.keep("shown", ROWS, answers("a"))
    for number in (7, 2_000, 3, 7):
        pages.forgot(number)
    page = pages.get("shown", ROWS)
    assert page is not None and page.stale == [3, 7]
    sent = page.json
    pages.renew(page, answers("longer", [3, 7]))
    whole = answers("a")
    whole[3], whole[7] = answers("longer", [3, 7])
    assert page.json == joined(whole) and sent == joined(answers("a"))
    assert pages.size_bytes == len(page.json)
    page = pages.get("shown", ROWS)
    assert page is not None and not page.stale


@given(
    st.lists(st.text(), min_size=1, max_size=8),
    st.lists(st.dictionaries(st.integers(0, 7), st.text()), max_size=4),
)
def test_a_renewed_page_is_one_that_is_joined_anew(
    first: list[str], changes: list[dict[int, str]]
) -> None:
    texts = [text.encode() for text in first]
    page = Joined(range(len(texts)), list(texts), 0)
    for change in changes:
        page.lose([*change, 99])
        for place in page.stale:
            texts[place] = change[place].encode()
        page.renew([texts[place] for place in page.stale])
        assert page.json == joined(texts)


def test_pages_are_bounded_and_nothing_forgotten_is_missed() -> None:
    first, second = (list(range(start, start + FEW_ROWS)) for start in (0, 1_000))
    pages = Pages(kept_bytes=len(joined(answers("a", second))))
    for rows in (first, first, second, second):
        pages.keep("shown", list(rows), answers("a", rows))
    assert pages.get("shown", list(first)) is None
    assert pages.get("shown", list(second)) is not None
    pages.forgot(second[0])
    for _ in range(REMEMBERED * 2):
        pages.forgot(5_000)
    assert pages.get("shown", list(second)) is None
