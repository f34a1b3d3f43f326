"""Who may do what to ann's things: the rule table, as data that a test compares with answers.

A column is who asks, a row the scope of a noun and a right. `y` is yes, `n` a plain no, `-` the
words for what has never been, a space is not asked. `EXCEPTIONS` are the nouns of which scoping
itself speaks.
"""

from __future__ import annotations

PERSONAS = (
    "root",
    "boss above",
    "boss of ann",
    "ann",
    "lead",
    "member",
    "one user",
    "user above",
    "neighbour",
    "ex-member",
    "ex-user",
    "below",
    "boss below",
    "bob",
    "boss of bob",
)
LETTERS = {
    "root": "A",
    "boss above": "D",
    "boss of ann": "D",
    "boss below": "D",
    "boss of bob": "D",
}
ROLE_TYPES = {"A": "Admin", "D": "DomainAdmin", "U": "User"}
# Who has ann's things as their own; who only lives in her domain comes after them.
PROJECT = ("lead", "member", "one user")

#                         root, boss above, boss of ann, ann
#                         |   lead, member, one user (of a project)
#                         |   |  user above, neighbour, ex-member, ex-user
#                         |   |  |   below, boss below
#                         |   |  |   | bob, boss of bob
RULES = {
    ("owned", "see"):      "yyyyyyy--------",
    ("owned", "use"):      "yyyyyyy--------",
    ("owned", "operate"):  "yyyyyyy--------",
    ("catalogue", "see"):     "yyyyyyyyyyyyyyy",
    ("catalogue", "use"):     "yyyyyyyyyyyyyyy",
    ("catalogue", "operate"): "ynnnnnnnnnnnnnn",
    ("admin", "see"):      "y--------------",
    ("admin", "use"):      "y--------------",
    ("admin", "operate"):  "y--------------",
}  # fmt: skip

# A domain is nobody's, and seen by those who live in it. The account of a project has no users,
# so what members may do to users of one cannot be asked.
EXCEPTIONS = {
    ("domain", "see"):      "yyyyyyy-yyy----",
    ("domain", "use"):      "yyyyyyy-yyy----",
    ("domain", "operate"):  "yyynnnn-nnn----",
    ("user", "see"):        "yyyy   --------",
    ("user", "use"):        "yyyy   --------",
    ("user", "operate"):    "yyyy   --------",
}  # fmt: skip


def rule(kind: str, scope: str, right: str, who: str) -> str:
    """The letter for this persona."""
    row = EXCEPTIONS.get((kind, right)) or RULES[scope, right]
    return row[PERSONAS.index(who)]


def letter(who: str) -> str:
    """The built-in role of a persona, by its letter."""
    return LETTERS.get(who, "U")
