"""One-time codes: the numbers of RFC 6238's own appendix, and the window around now."""

from __future__ import annotations

from base64 import b32encode

import pytest

from api.totp import STEP_S, code_at, counter_of, secret_text

SECRET = b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("at_s", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_numbers_of_the_rfc(at_s: int, code: str) -> None:
    assert code_at(SECRET, at_s // STEP_S) == code


def test_a_code_is_good_for_its_half_minute_and_its_neighbours() -> None:
    secret, now_s = secret_text(b"x" * 20), 1_700_000_000
    now = now_s // STEP_S
    found = [
        counter_of(secret, code_at(secret, now + ahead), now_s * 1000) for ahead in range(-3, 4)
    ]
    assert found == [None, None, now - 1, now, now + 1, None, None]


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "\u0661\u0662\u0663456"])
def test_what_is_no_code_is_refused(code: str) -> None:
    assert counter_of(SECRET, code, 59_000) is None
