"""A domain as the wire shows it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Cloud, Date, date, view
from api.views.owner import wire_path
from api.views.resource_icon import ResourceIconView
from api.views.resource_limit import ProjectLimitedView, limits_of
from projections.annotation import is_noted
from projections.domain import Domain, domains


@view
class DomainView(ProjectLimitedView, kw_only=True):
    """A node of the tree that accounts live in."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    level: Annotated[int, "how deep it is; the root is at 0"]
    parent_domain_id: Annotated[UUID | None, "the domain that it is in"] = None
    parent_domain_name: Annotated[str | None, "the name of that domain"] = None
    has_child: Annotated[bool, "whether domains are below it"]
    network_domain: Annotated[str | None, "the DNS suffix of its networks"] = None
    path: Annotated[str, "where it stands in the tree"]
    state: Annotated[str, "Active, or Inactive while it is being deleted"]
    created: Annotated[Date, "when it was made"]
    icon: Annotated[ResourceIconView | None, "its icon, if it is asked for"] = None
    has_annotations: Annotated[bool, "whether there are notes on it"]

    @classmethod
    def of(cls, row: Domain, cloud: Cloud) -> DomainView:
        parent = cloud[domains].get(row.parent_id)
        return cls(
            id=row.id,
            has_annotations=is_noted(row.id, cloud),
            name=row.name,
            level=row.level,
            parent_domain_id=row.parent_id,
            parent_domain_name=parent.name if parent else None,
            has_child=cloud[domains].one("parent_id", row.id) is not None,
            network_domain=row.network_domain or None,
            path=wire_path(row.path),
            state=row.state,
            created=date(row.created_at_ms),
            **limits_of(row.id, cloud),
        )
