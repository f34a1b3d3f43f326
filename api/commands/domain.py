"""Commands about domains."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from api.authz import governs, is_below
from api.caller import Caller, Job
from api.commands.identity_checks import chosen_id
from api.commands.resolving import DNS_DOMAIN
from api.declare import Free, Idle, Matches, Names, Success, command
from api.lists import Filter, WithIcons, list_command
from api.views.domain import DomainView
from engine.intents.domain import DeleteDomain, MoveDomain, RenameDomain
from engine.intents.record import CreateRecord, Together, UpdateRecord
from projections.domain import Domain, domains

NAME = Matches(r"[^/\x00-\x1f]+", "a name without a slash")


@command("createDomain", returns=DomainView, key="domain", allow="AD", action="DOMAIN.CREATE")
class CreateDomain:
    """Create a domain below another one."""

    name: Annotated[str, "its name", NAME]
    parent_domain_id: Annotated[
        UUID | None,
        "the domain that it is in; the caller's if not given",
        Names("domain", right="operate"),
    ] = None
    network_domain: Annotated[str | None, "the DNS suffix of its networks", DNS_DOMAIN] = None
    domain_id: Annotated[
        str | None, "an id of the caller's choice", Free("it names nothing yet")
    ] = None

    async def run(self, caller: Caller) -> Domain:
        """The path is settled here: the parent's and the name."""
        parent = caller.cloud[domains][self.parent_domain_id or caller.domain_id]
        row_id = chosen_id(self.domain_id, caller)
        fields = {
            "name": self.name,
            "path": f"{parent.path.rstrip('/')}/{self.name}",
            "level": parent.level + 1,
            "parent_id": parent.id,
            "network_domain": self.network_domain or "",
        }
        await caller.decide(CreateRecord(kind="domain", id=row_id, fields=fields))
        return caller.cloud[domains][row_id]


@command("updateDomain", returns=DomainView, key="domain", allow="A", action="DOMAIN.UPDATE")
class UpdateDomain:
    """Rename a domain; the paths of all below it follow."""

    id: Annotated[UUID, "the domain", Names("domain", right="operate")]
    name: Annotated[str | None, "its new name", NAME] = None
    network_domain: Annotated[str | None, "the DNS suffix of its networks", DNS_DOMAIN] = None

    async def run(self, caller: Caller) -> Domain:
        asks: list[Any] = []
        if self.name and self.name != caller.cloud[domains][self.id].name:
            asks.append(RenameDomain(domain_id=self.id, name=self.name))
        if self.network_domain is not None:
            fields = {"network_domain": self.network_domain}
            asks.append(UpdateRecord(kind="domain", id=self.id, fields=fields))
        await caller.decide(Together(asks=tuple(asks)))
        return caller.cloud[domains][self.id]


@command(
    "moveDomain",
    returns=DomainView,
    key="domain",
    allow="A",
    action="DOMAIN.MOVE",
    since="4.19.0.0",
)
class MoveDomainCommand:
    """Put a domain, with all that is in it and below it, below another one."""

    domain_id: Annotated[UUID, "the domain", Names("domain", right="operate")]
    parent_domain_id: Annotated[
        UUID, "the domain that it shall be below", Names("domain", right="operate")
    ]

    async def run(self, caller: Caller) -> Domain:
        ask = MoveDomain(domain_id=self.domain_id, parent_id=self.parent_domain_id)
        await caller.decide(ask)
        return caller.cloud[domains][self.domain_id]


@command("deleteDomain", returns=Success, is_async=True, allow="AD", action="DOMAIN.DELETE")
class DeleteDomainCommand:
    """Delete a domain that is empty; with cleanup also its accounts and the domains below it."""

    id: Annotated[UUID, "the domain", Names("domain", right="operate")]
    cleanup: Annotated[bool | None, "delete what is in it as well"] = None

    async def run(self, caller: Caller) -> Job:
        return await caller.submit(DeleteDomain(domain_id=self.id, cleanup=bool(self.cleanup)))


@list_command(
    "listDomains", view=DomainView, table=domains, key="domain", scope="custom", allow="ARD"
)
class ListDomains:
    """List domains: root administrators see all, others their own and with listall those below."""

    show_icon: Annotated[bool | None, "also the icon of each", Filter()] = None
    level: Annotated[int | None, "domains of this depth"] = None
    list_all: Annotated[bool | None, "also those below the caller's own", Filter()] = None
    details: Annotated[
        tuple[str, ...] | None, "accepted, and of no effect", Idle("everything is shown")
    ] = None
    tag: Annotated[
        str | None, "accepted, and of no effect", Idle("limits by tags are all shown")
    ] = None

    def rows(self, caller: Caller) -> Iterable[Any]:
        everywhere = caller.is_root or bool(self.list_all) or getattr(self, "id", None) is not None
        found = (
            row for row in caller.cloud[domains] if governs(caller.identity, caller.cloud, row.id)
        )
        return [row for row in found if everywhere or row.id == caller.domain_id]


@list_command(
    "listDomainChildren",
    view=DomainView,
    table=domains,
    key="domain",
    scope="custom",
    allow="ARD",
)
class ListDomainChildren(WithIcons):
    """List the domains directly below one, or all of them."""

    id: Annotated[UUID | None, "the domain above", Names("domain", right="see"), Filter()] = None
    is_recursive: Annotated[bool | None, "also those below its children", Filter()] = None
    list_all: Annotated[bool | None, "with no id: from the root down", Filter()] = None

    def rows(self, caller: Caller) -> Iterable[Any]:
        table = caller.cloud[domains]
        top = table.get(self.id or caller.domain_id)
        if top is None:  # the caller's own was not there yet, at the time it asks of
            return ()
        deep = bool(self.is_recursive) or (bool(self.list_all) and self.id is None)
        return [
            row
            for row in table
            if governs(caller.identity, caller.cloud, row.id)
            and (
                row.parent_id == top.id
                or (deep and row.id != top.id and is_below(row.path, top.path))
            )
        ]
