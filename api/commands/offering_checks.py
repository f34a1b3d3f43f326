"""What the commands about every kind of offering share: who may make one, and for whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any
from uuid import UUID

from api.authz import NOUNS, Right, Verdict, domain_path, is_below, judge
from api.caller import Caller
from api.declare import Idle, Names, part
from api.errors import Denied, InvalidValue, ParamError
from api.lists import Filter

GIB = 2**30
EVERYBODY = ("public", "all")


def split(text: str | None) -> list[str]:
    """Tags as the wire writes them: with commas."""
    return [one.strip() for one in (text or "").split(",") if one.strip()]


def for_domains(caller: Caller, domain_ids: tuple[UUID, ...] | None) -> list[UUID]:
    """A domain administrator offers to its own domains only, a root administrator to all."""
    if domain_ids:
        return list(dict.fromkeys(domain_ids))
    return [] if caller.is_root else [caller.domain_id]


def moved(caller: Caller, *, domain_id: str | None, zone_id: str | None) -> dict[str, list[UUID]]:
    """The new domains and zones of an offering: ids with commas, or `public` and `all`."""
    fields: dict[str, list[UUID]] = {}
    if domain_id is not None:
        fields["domain_ids"] = _ids(caller, "domain", domain_id, Right.OPERATE)
        if not (fields["domain_ids"] or caller.is_root):
            raise Denied(f"account {caller.identity.account} offers to its own domains only")
    if zone_id is not None:
        fields["zone_ids"] = _ids(caller, "zone", zone_id, Right.USE)
    return fields


def _ids(caller: Caller, kind: str, text: str, right: Right) -> list[UUID]:
    """Things on which the caller has a right; others are not told from what is not there."""
    if text.lower() in EVERYBODY:
        return []
    who, cloud, table = caller.identity, caller.cloud, caller.cloud.table(kind)
    try:
        found = [UUID(one) for one in split(text)]
    except ValueError:
        raise ParamError(f"{kind}id {text} is neither ids with commas nor public or all") from None
    missing = [
        str(one)
        for one in found
        if one not in table or judge(who, right, NOUNS[kind], table[one], cloud) is not Verdict.YES
    ]
    if missing or not found:
        raise InvalidValue(f"there is no {kind} {', '.join(missing)}")
    return found


def given(ask: Any, **named: str) -> dict[str, Any]:
    """The fields of a record for those parameters that were sent."""
    sent = {field: getattr(ask, attr) for field, attr in named.items()}
    return {field: value for field, value in sent.items() if value is not None}


def shown(row: Any, state: str | None, by_id: bool, active: str = "Active") -> bool:
    """A list shows what can be chosen, unless it is asked for a state or one by its id."""
    if state is None:
        return by_id or row.state == active
    return state.lower() == "all" or str(row.state).lower() == state.lower()


def in_zone(row: Any, zone_id: UUID) -> bool:
    """Is it offered in this zone?"""
    return not row.zone_ids or zone_id in row.zone_ids


@part
class ForDomain:
    """Lists of offerings can be asked for those that a domain may choose from."""

    domain_id: Annotated[
        UUID | None, "those offered to this domain", Names("domain", right="see"), Filter()
    ] = None

    def tests(self, caller: Caller) -> Iterator[Callable[[Any], bool]]:
        """Offered to everybody, to the domain, or to one above it."""
        if self.domain_id is not None:
            below = domain_path(caller.cloud, self.domain_id)
            cloud = caller.cloud
            yield (
                lambda row: (
                    not row.domain_ids
                    or any(
                        is_below(below, domain_path(cloud, one) or "-") for one in row.domain_ids
                    )
                )
            )


NO_ACCOUNT = Idle("offerings are for domains, and no account has one")


@part
class OfNobody(ForDomain):
    """Sizes belong to no account and no project: clients may name one all the same."""

    account: Annotated[str | None, "accepted, and of no effect", NO_ACCOUNT] = None
    list_all: Annotated[bool | None, "accepted, and of no effect", NO_ACCOUNT] = None
    is_recursive: Annotated[bool | None, "accepted, and of no effect", NO_ACCOUNT] = None
    project_id: Annotated[
        UUID | None,
        "accepted, and of no effect",
        Idle("offerings are for domains, and no project has one"),
    ] = None
