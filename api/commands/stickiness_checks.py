"""The methods of stickiness, and what each may be told. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from api.errors import InvalidValue

TIME = re.compile(r"[0-9]{1,12}(us|ms|s|m|h|d)?")
SIZE = re.compile(r"[0-9]{1,12}[kKmMgG]?")
COOKIE = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,255}")
DOMAIN = re.compile(r"\.?[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")

Check = Callable[[str], bool]


def _like(form: re.Pattern[str]) -> Check:
    return lambda text: form.fullmatch(text) is not None


def _word(*words: str) -> Check:
    return lambda text: text in words


FLAG = _word("", "true", "false", "yes", "no")
_NUMBER = _like(re.compile(r"[0-9]{1,9}"))

# Every parameter of every method, and the form of its value.
METHODS: dict[str, dict[str, Check]] = {
    "LbCookie": {
        "cookie-name": _like(COOKIE),
        "mode": _word("insert", "rewrite", "prefix"),
        "nocache": FLAG,
        "indirect": FLAG,
        "postonly": FLAG,
        "domain": _like(DOMAIN),
    },
    "AppCookie": {
        "cookie-name": _like(COOKIE),
        "length": _NUMBER,
        "holdtime": _like(TIME),
        "mode": _word("path-parameters", "query-string"),
        "request-learn": FLAG,
        "prefix": FLAG,
    },
    "SourceBased": {"tablesize": _like(SIZE), "expire": _like(TIME)},
}
# Cookies are read from HTTP, which a balancer sees in plain TCP alone.
NEEDS_HTTP = ("LbCookie", "AppCookie")
COOKIE_PROTOCOLS = ("tcp", "ssl", "http")


def checked(method: str, params: Mapping[str, str], protocol: str) -> tuple[str, dict[str, str]]:
    """The method by its name, and its parameters, each of the form that it must have."""
    known = {name.lower(): name for name in METHODS}
    name = known.get(method.strip().lower())
    if name is None:
        raise InvalidValue(
            f"Failed to create Stickiness policy: methodname {method} is none of "
            f"{', '.join(METHODS)}"
        )
    if name in NEEDS_HTTP and protocol not in COOKIE_PROTOCOLS:
        raise InvalidValue(f"{name} needs cookies, which {protocol} has not: choose SourceBased")
    checks = METHODS[name]
    for key, value in params.items():
        if key not in checks:
            raise InvalidValue(
                f"Failed to create Stickiness policy: {name} has no parameter {key}: "
                f"it has {', '.join(checks)}"
            )
        if not checks[key](value or ""):
            raise InvalidValue(
                f"Failed to create Stickiness policy: {key} of {name} cannot be {value!r}"
            )
    return name, {key: value or "" for key, value in params.items()}
