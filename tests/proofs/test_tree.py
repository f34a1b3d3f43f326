"""Audit paths are those of RFC 6962, and lead nowhere for anything else."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from engine.log.merkle import root
from engine.log.tree import Stretch, Tree, climb


def leaves(count: int) -> list[bytes]:
    return [sha256(b"%d" % n).digest() for n in range(count)]


def by_definition(d: list[bytes], m: int) -> list[bytes]:
    """RFC 6962, section 2.1.1, word by word."""
    if len(d) == 1:
        return []
    k = 1 << (len(d) - 1).bit_length() - 1
    if m < k:
        return [*by_definition(d[:k], m), root(d[k:])]
    return [*by_definition(d[k:], m - k), root(d[:k])]


@given(st.integers(1, 200), st.data())
def test_a_path_is_that_of_the_standard_and_leads_to_the_root(
    count: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, count - 1))
    whole = leaves(count)
    path = Stretch(whole).path(index)
    assert path == by_definition(whole, index)
    assert climb(whole[index], index, count, path) == root(whole)


@given(st.integers(2, 64), st.data())
def test_no_other_place_leaf_or_path_leads_to_the_root(count: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, count - 1))
    whole = leaves(count)
    path = Stretch(whole).path(index)
    other = data.draw(st.integers(-1, count).filter(lambda n: n != index))
    assert climb(whole[index], other, count, path) != root(whole)
    assert climb(sha256(b"x").digest(), index, count, path) != root(whole)
    assert climb(whole[index], index, count, path[:-1]) is None
    assert climb(whole[index], index, count, [*path, path[0]]) is None
    changed = data.draw(st.integers(0, len(path) - 1))
    wrong = [*path[:changed], bytes(32), *path[changed + 1 :]]
    assert climb(whole[index], index, count, wrong) != root(whole)


@given(st.lists(st.integers(0, 40), max_size=4))
def test_a_tree_put_away_and_taken_up_again_has_the_root_of_all(parts: list[int]) -> None:
    whole = leaves(sum(parts))
    tree, done = Tree(), 0
    for part in parts:
        tree = Tree(tree.grown())
        for one in whole[done : done + part]:
            tree.add(one)
        done += part
    assert tree.count == len(whole) and tree.root() == root(whole) == tree.copy().root()
