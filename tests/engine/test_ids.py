"""Ids that are made quickly are those that the library makes."""

from __future__ import annotations

import os
import uuid

import pytest

from aggregates.ids import in_order, text_of, uuid4, uuid5

NAMESPACES = (uuid.NAMESPACE_OID, uuid.UUID(int=0), uuid.UUID(int=2**128 - 1))


@pytest.mark.parametrize("name", ["", "capacity", "1", "dü \N{SNOWMAN}", "x" * 500])
@pytest.mark.parametrize("namespace", NAMESPACES)
def test_an_id_of_a_name_is_the_librarys(namespace: uuid.UUID, name: str) -> None:
    assert uuid5(namespace, name) == uuid.uuid5(namespace, name)


def test_every_byte_of_the_hash_may_stand_where_version_and_variant_do() -> None:
    for number in range(2000):
        made = uuid5(uuid.NAMESPACE_OID, str(number))
        assert made == uuid.uuid5(uuid.NAMESPACE_OID, str(number))
        assert (type(made), str(made), hash(made)) == (
            uuid.UUID,
            str(uuid.UUID(str(made))),
            hash(uuid.UUID(str(made))),
        )


def test_an_id_by_chance_is_of_version_4_and_nobody_has_it() -> None:
    made = {uuid4() for _ in range(2000)}
    assert len(made) == 2000
    assert {(one.version, one.variant) for one in made} == {(4, uuid.RFC_4122)}


def test_a_forked_process_makes_ids_of_its_own() -> None:
    uuid4()
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        os.write(tell, uuid4().bytes)
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(told, 16)
    assert len(theirs) == 16 and theirs not in {uuid4().bytes for _ in range(2000)}


def test_ids_in_order_sort_by_their_time_as_text_and_as_bytes_and_keep_their_chance() -> None:
    times_ms = (0, 1, 255, 256, 1_795_712_154_188, 1_795_712_154_189, 2**48 - 1)
    made = [in_order(at_ms, uuid4()) for at_ms in times_ms]
    assert [str(one) for one in made] == sorted(str(one) for one in made)
    assert [one.bytes for one in made] == sorted(one.bytes for one in made)
    assert {(one.version, one.variant) for one in made} == {(7, uuid.RFC_4122)}
    assert [one.int >> 80 for one in made] == list(times_ms)
    assert len({in_order(5, uuid4()) for _ in range(2000)}) == 2000


def test_ids_as_text_are_what_the_library_writes() -> None:
    for one in (*NAMESPACES, *(uuid4() for _ in range(200))):
        assert text_of(one) == str(one).encode()
