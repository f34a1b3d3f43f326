"""One table: what a BMC says or does not say, and which of the contract's three errors that is.

A question that got no answer is `Unavailable`; an order that got none may have been heard and is
`Unknown`. What a BMC answers is definite: it did not do it.
"""

from __future__ import annotations

from drivers.contract.errors import DriverError, Refused, Unavailable, Unknown

CREDENTIALS = "give the BMC's own user and password in addHost or updateHost"

# Redfish: DSP0266, "Status codes".
BY_STATUS: dict[int, tuple[type[DriverError], str]] = {
    400: (Refused, "it finds the request wrong"),
    401: (Refused, f"the user or the password is wrong: {CREDENTIALS}"),
    403: (Refused, "this user may not: give one with the role Administrator or Operator"),
    404: (Refused, "it has no such resource: check the path of the system in the host's URL"),
    405: (Refused, "it cannot do this"),
    409: (Unavailable, "the machine is in a state that forbids it now"),
    412: (Unavailable, "somebody else has changed it meanwhile"),
    429: (Unavailable, "it has too much to do"),
    501: (Refused, "it cannot do this"),
    503: (Unavailable, "it is busy or starting"),
    507: (Unavailable, "it has no room for this now"),
}

# IPMI 2.0, table 5-2 (completion codes) and pyghmi's own words.
BY_WORDS: tuple[tuple[str, type[DriverError], str], ...] = (
    ("incorrect password", Refused, f"the password is wrong: {CREDENTIALS}"),
    ("unauthorized name", Refused, f"the user is wrong: {CREDENTIALS}"),
    ("invalid role", Refused, "this user may not: give one with the privilege Administrator"),
    ("insufficient privilege", Refused, "this user may not: try privilege=3 in the host's URL"),
    (
        "no matching cipher",
        Refused,
        "it and we have no cipher suite in common: enable suite 3 or 17",
    ),
    (
        "illegal or unrecognized",
        Refused,
        "it and we have no cipher suite in common: enable suite 3",
    ),
    ("invalid command", Refused, "it cannot do this"),
    ("not supported", Refused, "it cannot do this"),
    ("node busy", Unavailable, "it is busy"),
    ("insufficient resources", Unavailable, "all its sessions are taken"),
    ("insufficient resource", Unavailable, "all its sessions are taken"),
    ("timeout", Unavailable, "it does not answer: check its address, its cable, and UDP port 623"),
    ("no longer connected", Unavailable, "the session with it was lost"),
    ("not logged in", Unavailable, "the session with it was lost"),
)
LOST_WORDS = ("timeout", "no longer connected", "not logged in")


def of_status(who: str, status: int, said: str, *, asks: bool) -> DriverError:
    """The error of an HTTP answer. `asks`: it was a question, which changes nothing."""
    kind, words = BY_STATUS.get(status, (Refused if status < 500 else Unavailable, "it failed"))
    if status >= 500 and status not in BY_STATUS and not asks:
        kind = Unknown
    return kind(f"{who} answers {status}: {words}{f' ({said})' if said else ''}")


def of_words(who: str, said: str, *, asks: bool) -> DriverError:
    """The error of what pyghmi raised or an IPMI completion code says."""
    low = said.lower() if said not in ("", "None") else "timeout"
    for words, kind, meaning in BY_WORDS:
        if words in low:
            if words in LOST_WORDS and not asks:
                return Unknown(f"{who}: {meaning} ({said})")
            return kind(f"{who}: {meaning} ({said})")
    return (Unavailable if asks else Unknown)(f"{who}: {said}")


def lost(who: str, error: BaseException, *, asks: bool) -> DriverError:
    """The line broke, or nobody answered in time."""
    words = str(error) or type(error).__name__
    if asks:
        return Unavailable(f"{who} cannot be reached: {words}; check its address and its cable")
    return Unknown(f"{who} was lost in the middle of an order: {words}")
