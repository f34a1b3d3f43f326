"""Commands about notes on things."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from api.caller import Caller
from api.declare import Length, Names, OneOf, command, date
from api.errors import InvalidValue
from api.kinds import NOTED
from api.lists import Filter, list_command
from api.views.annotation import AnnotationView
from engine.intents.attached import Annotate
from engine.intents.record import RemoveRecord, UpdateRecord
from projections.annotation import Annotation, notes

Note = Annotated[UUID, "the note", Names("annotation", right="operate")]


@command(
    "addAnnotation", returns=AnnotationView, key="annotation", allow="A", action="ANNOTATION.CREATE"
)
class AddAnnotation:
    """Note something on a thing."""

    annotation: Annotated[str, "what is noted", Length(65_535)]
    entity_type: Annotated[str, "the kind of the thing, such as VM or HOST"]
    entity_id: Annotated[UUID, "the thing", Names(NOTED, right="see", by="entity_type")]
    admins_only: Annotated[bool | None, "whether it is for root administrators only"] = None

    async def run(self, caller: Caller) -> Annotation:
        ask = Annotate(
            id=caller.new_id(),
            kind=NOTED[self.entity_type.lower()],
            thing_id=self.entity_id,
            text=self.annotation,
            user_id=caller.user_id,
            admins_only=bool(self.admins_only),
        )
        await caller.decide(ask)
        return caller.cloud[notes][ask.id]


@command(
    "removeAnnotation",
    returns=AnnotationView,
    key="annotation",
    allow="A",
    action="ANNOTATION.REMOVE",
)
class RemoveAnnotation:
    """Take a note away."""

    id: Note

    async def run(self, caller: Caller) -> AnnotationView:
        gone = AnnotationView.of(caller.cloud[notes][self.id], caller.cloud)
        await caller.decide(RemoveRecord(kind="annotation", id=self.id))
        gone.removed = date(caller.now_ms)
        return gone


@command(
    "updateAnnotationVisibility",
    returns=AnnotationView,
    key="annotation",
    allow="A",
    since="4.16",
    action="ANNOTATION.VISIBILITY.UPDATE",
)
class UpdateAnnotationVisibility:
    """Say whether a note is for root administrators only."""

    id: Note
    admins_only: Annotated[bool, "whether it is for root administrators only"]

    async def run(self, caller: Caller) -> Annotation:
        fields = {"admins_only": self.admins_only}
        await caller.decide(UpdateRecord(kind="annotation", id=self.id, fields=fields))
        return caller.cloud[notes][self.id]


def _of_kind(row: Annotation, word: str) -> bool:
    kind = NOTED.get(word.lower())
    if kind is None:
        raise InvalidValue(f"entitytype {word[:50]} is no kind of thing that can be noted on")
    return kind == row.kind


@list_command(
    "listAnnotations",
    view=AnnotationView,
    table=notes,
    key="annotation",
    scope="admin",
    allow="A",
    keyword=("text",),
    since="4.11",
)
class ListAnnotations:
    """List notes on things."""

    entity_type: Annotated[
        str | None, "on this kind of things, such as VM", Filter(test=_of_kind)
    ] = None
    entity_id: Annotated[
        UUID | None,
        "on this thing; entitytype is given too",
        Names(NOTED, right="see", by="entity_type"),
        Filter("resource_id"),
    ] = None
    user_id: Annotated[UUID | None, "of this user", Names("user", right="see")] = None
    annotation_filter: Annotated[
        str | None, "self for the caller's own, all for all", OneOf("self", "all"), Filter()
    ] = None

    def rows(self, caller: Caller) -> Iterable[Any] | None:
        own = self.annotation_filter == "self"
        return caller.cloud[notes].by("user_id", caller.user_id) if own else None
