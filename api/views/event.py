"""An event as the wire shows it: who did what to what, and how it ended."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Cloud, Date, View, date, view
from api.views.owner import wire_path
from projections.account import accounts
from projections.domain import domains
from projections.event_list import Entry
from projections.project import projects
from projections.table import TABLES
from projections.user import users


@view
class EventView(View, kw_only=True):
    """Something that somebody asked for."""

    id: Annotated[UUID, "its id"]
    type: Annotated[str, "what was asked for, for example VM.CREATE"]
    level: Annotated[str, "INFO or ERROR"]
    state: Annotated[str, "Started or Completed"]
    description: Annotated[str, "the same in a sentence"]
    created: Annotated[Date, "when"]
    username: Annotated[str | None, "who asked"] = None
    account: Annotated[str | None, "the account that asked"] = None
    project_id: Annotated[UUID | None, "the project that asked, instead of an account"] = None
    project: Annotated[str | None, "the name of that project"] = None
    domain_id: Annotated[UUID | None, "the domain of that account"] = None
    domain: Annotated[str | None, "the name of that domain"] = None
    domain_path: Annotated[str | None, "where that domain stands in the tree"] = None
    resource_id: Annotated[UUID | None, "what it was about"] = None
    resource_type: Annotated[str | None, "the kind of that thing"] = None
    resource_name: Annotated[str | None, "the name of that thing, while it is there"] = None
    parent_id: Annotated[UUID | None, "the event that this one ends"] = None
    archived: Annotated[bool, "whether it was put away"]

    @classmethod
    def of(cls, row: Entry, cloud: Cloud, *, archived: bool = False) -> EventView:
        account, user = cloud[accounts].get(row.account_id), cloud[users].get(row.user_id)
        domain = cloud[domains].get(account.domain_id) if account else None
        project = cloud[projects].one("account_id", row.account_id)
        return cls(
            id=row.id,
            type=row.action,
            level=row.level,
            state=row.state,
            description=row.description,
            created=date(row.at_ms),
            username=user.name if user else None,
            account=account.name if account and project is None else None,
            project_id=project.id if project else None,
            project=project.name if project else None,
            domain_id=domain.id if domain else None,
            domain=domain.name if domain else None,
            domain_path=wire_path(domain.path) if domain else None,
            resource_id=row.subject_id,
            resource_type=row.resource_type,
            resource_name=_name(row, cloud),
            parent_id=Entry.id_at(row.parent) if row.parent else None,
            archived=archived,
        )


@view
class EventTypeView(View, kw_only=True):
    """A kind of event that there can be."""

    name: Annotated[str, "what listEvents calls it"]


def _name(row: Entry, cloud: Cloud) -> str | None:
    if row.kind not in TABLES:
        return None
    found = cloud.table(row.kind).get(row.subject_id)
    return getattr(found, "name", None)
