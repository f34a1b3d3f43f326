"""Commands about tags."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from api.authz import NOUNS, Right, Verdict, judge
from api.caller import Caller, Job
from api.declare import Free, Names, Success, command
from api.kinds import TAGGABLE
from api.lists import Filter, list_command
from api.parse import UUID_FORM
from api.views.tag import TagView
from engine.intents.job import AsJob
from engine.intents.tag import PutTags, TakeTags
from projections.tag import Tag, tags

Things = Annotated[
    tuple[str, ...], "the things", Names(TAGGABLE, right="operate", by="resource_type")
]
KindWord = Annotated[str, "their kind, such as UserVm or Volume"]


@command("createTags", returns=Success, is_async=True, allow="ARDU", action="CREATE_TAGS")
class CreateTags:
    """Put tags on things: on all of them, or on none."""

    resource_ids: Things
    resource_type: KindWord
    tags: Annotated[dict[str, str], "keys with their values"]
    customer: Annotated[str | None, "whom they are for"] = None

    async def run(self, caller: Caller) -> Job:
        things = tuple(map(UUID, self.resource_ids))
        kind = TAGGABLE[self.resource_type.lower()]
        ask = PutTags(
            kind=kind,
            things=things,
            tags=dict(self.tags),
            seed=caller.new_id(),
            account_id=caller.account_id,
            domain_id=caller.domain_id,
            customer=self.customer or "",
        )
        return await caller.submit(AsJob(ask=ask, subject_kind=kind, subject_id=things[0]))


@command("deleteTags", returns=Success, is_async=True, allow="ARDU", action="DELETE_TAGS")
class DeleteTags:
    """Take tags off things: those of the given keys, or all."""

    resource_ids: Things
    resource_type: KindWord
    tags: Annotated[
        dict[str, str | None] | None, "keys; with a value only where the tag has it"
    ] = None

    async def run(self, caller: Caller) -> Job:
        things = tuple(map(UUID, self.resource_ids))
        kind = TAGGABLE[self.resource_type.lower()]
        wanted = dict(self.tags) if self.tags is not None else None
        ask = TakeTags(kind=kind, things=things, tags=wanted)
        return await caller.submit(AsJob(ask=ask, subject_kind=kind, subject_id=things[0]))


def _of_kind(row: Tag, word: str) -> bool:
    return TAGGABLE.get(word.lower()) == row.kind


@list_command("listTags", view=TagView, table=tags, key="tag", keyword=("key", "value"))
class ListTags:
    """List tags on what the caller may see."""

    resource_id: Annotated[
        str | None, "on this thing", Free("visible() asks for a right on it"), Filter()
    ] = None
    resource_type: Annotated[str | None, "on this kind of things", Filter(test=_of_kind)] = None
    key: Annotated[str | None, "of this key"] = None
    value: Annotated[str | None, "of this value"] = None
    customer: Annotated[str | None, "for this customer"] = None

    def rows(self, caller: Caller) -> Iterable[Any] | None:
        """One thing's, if that is asked; what is no id is no thing's."""
        if not self.resource_id:
            return None
        if UUID_FORM.fullmatch(self.resource_id) is None:
            return ()
        return caller.cloud[tags].by("resource_id", UUID(self.resource_id))

    def visible(self, row: Tag, caller: Caller) -> bool:
        """A thing that has come to somebody else took its tags with it."""
        guard, thing = NOUNS[row.kind], caller.cloud.table(row.kind).get(row.resource_id)
        if thing is None:
            return False
        verdict = judge(caller.identity, Right.SEE, guard, thing, caller.cloud)
        return verdict is Verdict.YES
