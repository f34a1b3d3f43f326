"""Refuses what would give somebody more than their limit, at the moment that it is decided.

What a draft adds follows from its rows: no decision counts anything, and none can forget to. What
was let in is promised until it is folded, so that of 200 decisions in one turn of the loop just as
many are let in as there is room for. Other controllers know nothing of these promises: a draft that
counts towards a limit draws on its owner, and the log refuses it if another has drawn meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from uuid import UUID

from aggregates.errors import LimitReached
from aggregates.resource_limit import RESOURCES, UNLIMITED
from engine.draft import Draft
from projections.account import accounts
from projections.cloud import Cloud
from projections.counts import COUNTED, NOTHING, Counts, Promise, Share, more
from projections.domain import domains
from projections.resource_limit import Limits, tags_of_offering, used
from projections.table import TABLES

WATCHED = frozenset(Counts.TOPICS)


def admit(draft: Draft) -> None:
    """Promise what the draft adds, or refuse it with `LimitReached`."""
    added = _added(draft)
    if added is not None:
        for page, amounts in added.more.items():
            if isinstance(page, tuple):
                _fits_tagged(draft, page, amounts)
            else:
                _fits(draft, page, amounts)
        _keep(draft, added)


def note(draft: Draft) -> None:
    """Promise what the draft adds although it is too late to refuse it."""
    added = _added(draft)
    if added is not None:
        _keep(draft, added)


def _keep(draft: Draft, promise: Promise) -> None:
    counts = draft.cloud.view(Counts)
    counts.promise(promise)
    draft.on_abort(partial(counts.forget, promise))


def _added(draft: Draft) -> Promise | None:
    """What everybody has more of by this draft; what it takes away makes room within it alone."""
    moves = list(_reweighed(draft))
    if not moves:
        return None
    by_tag = draft.cloud.view(Limits).by_tag
    added = more(tuple((before, after) for _, before, after in moves), by_tag)
    return Promise(moves[0][0].int, added) if added else None


def _reweighed(draft: Draft) -> Iterator[tuple[UUID, Share, Share]]:
    """The rows that come to weigh something else, with what they weighed and will weigh."""
    counts = draft.cloud.view(Counts)
    for stream, events in draft.touched():
        noun = COUNTED.get(events[0].KIND)
        if noun is None or WATCHED.isdisjoint(one.TOPIC for one in events):
            continue
        here = draft.cloud.table(noun.kind).get(stream)
        if here is not None and all(noun.is_idle(one, here) for one in events):
            continue
        gone = draft.removes(stream)
        row = None if gone else draft.row(TABLES[noun.kind], stream)
        before, after = counts.share_of(stream), NOTHING if row is None else counts.weigh(noun, row)
        if before is not after:
            yield stream, before, after


def _fits(draft: Draft, owner: int, amounts: Mapping[str, int]) -> None:
    cloud = draft.cloud
    limited = cloud.view(Limits).most(owner)
    if limited.keys().isdisjoint(amounts):
        return
    counts, owner_id = cloud.view(Counts), UUID(int=owner)
    draft.draw(owner_id)
    for resource, amount in amounts.items():
        most = limited.get(resource)
        if most is not None and counts.expected(owner_id, resource) + amount > most:
            raise LimitReached(_refusal(cloud, owner_id, resource, "", amount))


def _fits_tagged(draft: Draft, page: tuple[int, int], amounts: Mapping[str, int]) -> None:
    """A thing of an offering with tags counts towards the limits of those tags as well."""
    cloud = draft.cloud
    limits, (owner_id, offering_id) = cloud.view(Limits), (UUID(int=number) for number in page)
    for resource, amount in amounts.items():
        for tag in limits.tags(resource):
            if tag not in tags_of_offering(cloud, offering_id):
                continue
            most = limits.in_small(owner_id, resource, tag)
            if most != UNLIMITED:
                draft.draw(owner_id)
            has = used(cloud, owner_id, resource, tag, soon=True)
            if most != UNLIMITED and has + amount > most:
                raise LimitReached(_refusal(cloud, owner_id, resource, tag, amount))


def _refusal(cloud: Cloud, owner_id: UUID, resource: str, tag: str, amount: int) -> str:
    one = RESOURCES[resource]
    limit = cloud.view(Limits).of(owner_id, resource, tag)
    has = used(cloud, owner_id, resource, tag, soon=True) // one.unit
    unit = " GiB" if one.unit > 1 else " MiB" if resource == "memory" else ""
    what = f"{resource} with tag {tag}" if tag else resource
    domain, account = cloud[domains].get(owner_id), cloud[accounts].get(owner_id)
    if domain is not None:
        owner = f"domain {domain.path}"
    else:
        kind = "project" if account is not None and account.role_type == "Project" else "account"
        owner = f"{kind} {account.name if account else owner_id}"
    return (
        f"Maximum amount of {what} for {owner} has been reached: the limit is {limit}{unit}, "
        f"{has}{unit} are in use and {-(-amount // one.unit)}{unit} more were asked for. "
        "Remove something first, or ask an administrator for a higher limit"
    )
