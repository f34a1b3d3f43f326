"""Tags are put on several things at once, or on none; each relies on its thing being there."""

from __future__ import annotations

from uuid import uuid5

from aggregates.errors import AlreadyExists, Invalid, NotFound
from aggregates.record import RECORDS
from engine.decide import Desk, decision
from engine.decisions import record
from engine.decisions.attached import thing
from engine.intents.record import CreateRecord
from engine.intents.tag import PutTags, TakeTags
from projections.tag import tags

TAGS_MAX, TEXT_MAX, AT_ONCE_MAX = 50, 255, 1000


@decision
def put(ask: PutTags, desk: Desk) -> None:
    if len(ask.things) * len(ask.tags) > AT_ONCE_MAX:
        raise Invalid(f"at most {AT_ONCE_MAX} tags are put at once: send fewer things at a time")
    for key, value in ask.tags.items():
        if not key.strip() or not value or max(len(key), len(value)) > TEXT_MAX:
            raise Invalid(
                f"tag {key[:TEXT_MAX]!r} needs a key and a value of 1 to {TEXT_MAX} characters",
                field="tags",
            )
    for thing_id in dict.fromkeys(ask.things):
        row = thing(desk, ask.kind, thing_id)
        there = {tag.key.casefold() for tag in desk.cloud[tags].by("resource_id", thing_id)}
        if len(there) + len(ask.tags) > TAGS_MAX:
            raise Invalid(
                f"{ask.kind} {thing_id} would have {len(there) + len(ask.tags)} tags: "
                f"{TAGS_MAX} are the most, delete some first",
                field="tags",
            )
        owner = {
            "account_id": getattr(row, "account_id", None) or ask.account_id,
            "domain_id": getattr(row, "domain_id", None) or ask.domain_id,
        }
        for key, value in ask.tags.items():
            if key.casefold() in there:
                raise AlreadyExists(
                    f"tag {key} is already on {ask.kind} {thing_id}: delete that one first"
                )
            about = {"kind": ask.kind, "resource_id": thing_id, "customer": ask.customer}
            fields = about | owner | {"key": key, "value": value}
            row_id = uuid5(ask.seed, f"{thing_id}/{key}")
            record.create(CreateRecord(kind="tag", id=row_id, fields=fields), desk)


@decision
def take(ask: TakeTags, desk: Desk) -> None:
    """What is not there is not missed, as long as something is."""
    found = 0
    for thing_id in dict.fromkeys(ask.things):
        thing(desk, ask.kind, thing_id)
        for tag in desk.cloud[tags].by("resource_id", thing_id):
            if ask.tags is not None:
                wanted = ask.tags.get(tag.key, "")
                if tag.key not in ask.tags or wanted not in (None, tag.value):
                    continue
            found += 1
            desk.change(tag, RECORDS["tag"].removed())
    if not found:
        raise NotFound("Unable to find tags that match: see listTags for what is there")
