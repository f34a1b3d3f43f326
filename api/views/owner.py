"""Whose a thing is, as every owned thing's answer says it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.declare import Cloud, View
from projections.account import accounts
from projections.domain import domains
from projections.project import projects


class OwnedView(View, kw_only=True):
    """The fields that tell the owner; a view of an owned thing builds on it."""

    account: Annotated[str | None, "the account that owns it, unless a project does"] = None
    project: Annotated[str | None, "the name of the project that owns it"] = None
    project_id: Annotated[UUID | None, "the project that owns it"] = None
    domain_id: Annotated[UUID | None, "the domain of that account"] = None
    domain: Annotated[str | None, "the name of that domain"] = None
    domain_path: Annotated[str | None, "where that domain stands in the tree"] = None


def owner(row: Any, cloud: Cloud) -> dict[str, Any]:
    """Those fields for a row that has `account_id` and `domain_id`."""
    account, domain = cloud[accounts].get(row.account_id), cloud[domains].get(row.domain_id)
    project = cloud[projects].one("account_id", row.account_id)
    return {
        "account": account and account.name if project is None else None,
        "project": project and project.name,
        "project_id": project and project.id,
        "domain_id": row.domain_id,
        "domain": domain and domain.name,
        "domain_path": domain and wire_path(domain.path),
    }


def wire_path(path: str) -> str:
    """`/` is `ROOT` on the wire, and `/a/b` is `ROOT/a/b`."""
    return "ROOT" + path.rstrip("/")
