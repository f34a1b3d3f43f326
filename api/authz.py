"""May this caller do that to this thing: yes, no, or it does not exist for them.

Everything here is a pure function of the caller, the right and the row, so that the whole matrix
can be generated and compared with a table. Two questions are asked of every request: may the role
call this command at all (`may_call`), and has the caller the declared right on each id (`judge`).

A noun says once, beside its view, how its rows are guarded:

    noun("template", scope="owned", shared=lambda row, caller: row.is_public)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Literal
from uuid import UUID

from api.caller import Identity
from api.declare import REGISTRY, DeclarationError, Spec, id_params
from api.fields import Free, Kind, Names
from projections.cloud import Cloud

Scope = Literal["owned", "catalogue", "admin"]

LETTER = {"Admin": "A", "ResourceAdmin": "R", "DomainAdmin": "D", "User": "U"}


class Right(StrEnum):
    """What an id parameter may ask of the caller."""

    SEE = "see"
    USE = "use"
    OPERATE = "operate"


RIGHTS = {right.value: right for right in Right}


class Verdict(StrEnum):
    """The answer. HIDDEN is told to the caller in the words for an id that never existed."""

    YES = "yes"
    NO = "no"
    HIDDEN = "hidden"


def _owner(row: Any) -> tuple[UUID | None, UUID | None]:
    return getattr(row, "account_id", None), getattr(row, "domain_id", None)


def _not_shared(row: Any, caller: Identity) -> bool:
    return False


def _to_no_domain(row: Any) -> UUID | None:
    return None


@dataclass(frozen=True, slots=True)
class Noun:
    """How the rows of one noun are guarded.

    `owned` rows belong to an account in a domain; `catalogue` rows may be seen and used by all,
    or by one domain and those below it, and changed by administrators; `admin` rows are seen by
    root administrators alone. `shared` opens an owned row to others for seeing and using, and
    `shared_below` names a domain to which it is open, with all below; `owner` finds account and
    domain where they are not attributes of these names.
    """

    kind: str
    scope: Scope
    shared: Callable[[Any, Identity], bool] = _not_shared
    owner: Callable[[Any], tuple[UUID | None, UUID | None]] = _owner
    shared_below: Callable[[Any], UUID | None] = _to_no_domain


NOUNS: dict[str, Noun] = {}


def noun(
    kind: str,
    scope: Scope,
    *,
    shared: Callable[[Any, Identity], bool] = _not_shared,
    owner: Callable[[Any], tuple[UUID | None, UUID | None]] = _owner,
    shared_below: Callable[[Any], UUID | None] = _to_no_domain,
) -> Noun:
    """Say how rows of a noun are guarded; saying two different things is fatal."""
    if kind in NOUNS and NOUNS[kind].scope != scope:
        raise DeclarationError(f"{kind} is declared {NOUNS[kind].scope} and {scope}")
    says_more = (shared, owner, shared_below) != (_not_shared, _owner, _to_no_domain)
    if kind not in NOUNS or says_more:
        NOUNS[kind] = Noun(kind, scope, shared, owner, shared_below)
    return NOUNS[kind]


# The four nouns that scoping itself speaks of. An account is its own owner; a domain is owned by
# nobody and seen by those who live in it; a user is guarded as its account is.
noun("account", "owned", owner=lambda row: (row.id, row.domain_id))
noun(
    "domain",
    "owned",
    owner=lambda row: (None, row.id),
    shared=lambda row, caller: bool(row.id == caller.domain_id),
)
noun("user", "owned")
noun("project", "owned")


def may_call(caller: Identity, spec: Spec) -> bool:
    """May this role call the command at all? A key can narrow the answer, never widen it."""
    return allowed(caller, spec.name, spec.allow)


def allowed(caller: Identity, name: str, letters: str) -> bool:
    """Has the caller's role the command of this name, open to the built-in roles of `letters`?

    Rules take away from what the type of the role may do and never add to it: a command that
    names no id relies on its letters alone, and `list*` for a user must not mean what lists are
    made for administrators.
    """
    letter = LETTER.get(caller.role_type)
    if letter is None or letter not in letters:
        return False
    narrowing = (rules for rules in (caller.rules, caller.key_rules) if rules is not None)
    return all(first_match(rules, name) for rules in narrowing)


def first_match(rules: Iterable[tuple[str, bool]], name: str) -> bool:
    """The first rule whose pattern (`*` stands for anything) fits decides; none means no."""
    return next((ok for pattern, ok in rules if fnmatchcase(name.lower(), pattern.lower())), False)


def domain_path(cloud: Cloud, domain_id: UUID | None) -> str | None:
    """Where a domain stands in the tree: `/` for the root, `/a/b`; None for an unknown one."""
    row = cloud.table("domain").get(domain_id)
    return None if row is None else str(row.path)


def is_below(path: str | None, top: str) -> bool:
    """Is a domain path the same as `top` or anywhere below it?"""
    return path is not None and (path == top or path.startswith(top.rstrip("/") + "/"))


def governs(caller: Identity, cloud: Cloud, domain_id: UUID | None) -> bool:
    """Does the caller administer this domain?"""
    if caller.is_root:
        return True
    if not caller.is_domain_admin:
        return False
    return is_below(domain_path(cloud, domain_id), caller.domain_path)


def judge(caller: Identity, right: Right, guard: Noun, row: Any, cloud: Cloud) -> Verdict:
    """Has the caller this right on this row? Unsaid is no."""
    if caller.is_root:
        return Verdict.YES
    if guard.scope == "admin":
        return Verdict.HIDDEN
    if guard.scope == "catalogue":
        return _judge_catalogue(caller, right, guard, row, cloud)
    return _judge_owned(caller, right, guard, row, cloud)


def _judge_owned(caller: Identity, right: Right, guard: Noun, row: Any, cloud: Cloud) -> Verdict:
    account_id, domain_id = guard.owner(row)
    mine = account_id is not None and (
        account_id == caller.account_id or account_id in caller.projects
    )
    if mine or governs(caller, cloud, _domain_of(cloud, account_id, domain_id)):
        return Verdict.YES
    below = domain_path(cloud, guard.shared_below(row))
    reached = below is not None and is_below(caller.domain_path, below)
    if not reached and not guard.shared(row, caller):
        return Verdict.HIDDEN
    return Verdict.NO if right is Right.OPERATE else Verdict.YES


def _domain_of(cloud: Cloud, account_id: UUID | None, domain_id: UUID | None) -> UUID | None:
    """The domain of a row that only names its account is the account's."""
    if domain_id is not None or account_id is None:
        return domain_id
    account = cloud.table("account").get(account_id)
    return None if account is None else account.domain_id


def _judge_catalogue(
    caller: Identity, right: Right, guard: Noun, row: Any, cloud: Cloud
) -> Verdict:
    domains = domains_of(row)
    paths = [domain_path(cloud, one) for one in domains]
    above = [path for path in paths if path is not None and is_below(caller.domain_path, path)]
    governed = bool(domains) and all(governs(caller, cloud, one) for one in domains)
    if domains and not above and not governed and not guard.shared(row, caller):
        return Verdict.HIDDEN
    if right is not Right.OPERATE or governed:
        return Verdict.YES
    return Verdict.NO


def domains_of(row: Any) -> tuple[UUID, ...]:
    """The domains that a catalogue row is kept for; empty means everybody's."""
    many = getattr(row, "domain_ids", None)
    if many:
        return tuple(many)
    one = getattr(row, "domain_id", None)
    return () if one is None else (one,)


def uncovered() -> list[str]:
    """What the matrix does not reach. It must be empty: each line says what to declare."""
    gaps = []
    for spec in REGISTRY.values():
        for path, param in id_params(spec):
            names: Names = param.mark(Names)
            gaps += [
                f"{spec.name}.{path}: nobody said how a {kind} is guarded; call noun()"
                for kind in names.kinds
                if kind not in NOUNS
            ]
        for param in spec.params:
            if Kind.UUID in (param.kind, param.element) and not (
                param.mark(Names) or param.mark(Free)
            ):
                gaps.append(f"{spec.name}.{param.wire}: an id without Names")
    return gaps


def matrix() -> list[tuple[str, str, str, str]]:
    """Every command, id parameter, noun and right: what a test of the rights must walk."""
    return [
        (spec.name, path, kind, param.mark(Names).right)
        for spec in sorted(REGISTRY.values(), key=lambda one: one.name)
        for path, param in id_params(spec)
        for kind in param.mark(Names).kinds
    ]
