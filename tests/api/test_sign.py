"""What is signed is accepted, in each client's dialect; anything else is not."""

from __future__ import annotations

from typing import Any

import pytest
from cs import CloudStack
from hypothesis import given, settings
from hypothesis import strategies as st
from libcloud.common.cloudstack import CloudStackConnection

from api.sign import is_fresh, is_signed
from tests.api.signing import sign

SECRET = "a-Secret_of-these.tests"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(["name", "zoneId", "details[0].k", "a*b", "_"]), TEXT))
def test_the_guides_algorithm_is_accepted_for_any_text(params: dict[str, str]) -> None:
    assert is_signed(list(params.items()), SECRET, sign(params, SECRET))


HARD = {"command": "listX", "name": "a b+c~d*e[f](g)'h!/ü:;=&", "response": "json"}


def test_cs_is_accepted() -> None:
    client: Any = CloudStack(endpoint="http://127.0.0.1/", key="k", secret=SECRET, expiration=-1)
    params = {**HARD, "apiKey": "k"}
    client._sign(params)
    given = params.pop("signature")
    assert is_signed(list(params.items()), SECRET, given)


def test_libcloud_is_accepted() -> None:
    connection: Any = CloudStackConnection.__new__(CloudStackConnection)
    connection.key = SECRET
    params = {**HARD, "apiKey": "k", "listAll": "true"}
    given = connection._make_signature(params).decode()
    assert is_signed(list(params.items()), SECRET, given)


@pytest.mark.parametrize(
    "change",
    [{"name": "other"}, {"extra": "x"}, {"command": "deleteX"}, {"apiKey": "another"}],
)
def test_a_changed_request_is_not(change: dict[str, str]) -> None:
    params = {**HARD, "apiKey": "k"}
    good = sign(params, SECRET)
    assert is_signed(list(params.items()), SECRET, good)
    assert not is_signed(list((params | change).items()), SECRET, good)
    assert not is_signed(list(params.items()), SECRET + "x", good)
    assert not is_signed(list(params.items()), SECRET, good[:-2] + "A=")


@pytest.mark.parametrize("given", ["", "ünicode", "=" * 5000, "\x00"])
def test_odd_signatures_are_wrong_and_not_errors(given: str) -> None:
    assert not is_signed(list(HARD.items()), SECRET, given)


NOW = 1_761_832_299_000


@pytest.mark.parametrize(
    ("params", "fresh"),
    [
        ({}, True),
        ({"expires": "2001-01-01T00:00:00Z"}, True),
        ({"signatureversion": "3"}, False),
        ({"signatureversion": "3", "expires": "soon"}, False),
        ({"signatureversion": "3", "expires": "2025-10-30T13:51:39+0000"}, False),
        ({"signatureversion": "3", "expires": "2025-10-30T13:51:40+0000"}, True),
        ({"signatureversion": "3", "expires": "2025-10-30T13:51:40Z"}, True),
        ({"signatureversion": "3", "expires": "2025-10-30T15:51:40+02:00"}, True),
    ],
)
def test_expiry_counts_with_version_3(params: dict[str, str], fresh: bool) -> None:
    assert is_fresh(params, NOW) is fresh
