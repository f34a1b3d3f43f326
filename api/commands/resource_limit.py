"""Commands about limits, and about counts: who may have how much, and has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated
from uuid import UUID

from api.authz import governs, is_below
from api.caller import Caller
from api.declare import Bound, Free, Names, Page, command
from api.errors import Denied, InvalidValue, ParamError
from api.lists import cut
from api.scope import owner_for
from api.views.resource_limit import ResourceCountView, ResourceLimitView
from engine.intents.resource_limit import SetLimit
from projections.domain import domains
from projections.resource_limit import (
    BY_NUMBER,
    RESOURCES,
    UNLIMITED,
    Limits,
    Resource,
)

Tag = Annotated[str | None, "only of what is for hosts or pools with this tag"]


@command(
    "listResourceLimits",
    returns=ResourceLimitView,
    key="resourcelimit",
    shape="list",
    allow="ARDU",
)
class ListResourceLimits:
    """List how much of each kind an account, a domain or a project may have."""

    id: Annotated[int | None, "the same as resourcetype", Free("it is a number of a kind")] = None
    account: Annotated[str | None, "the account; the caller's if not given"] = None
    domain_id: Annotated[
        UUID | None, "the domain, or that of the account", Names("domain", right="see")
    ] = None
    project_id: Annotated[UUID | None, "the project", Names("project", right="see")] = None
    is_recursive: Annotated[bool | None, "with domainid: also the domains below it"] = None
    list_all: Annotated[bool | None, "what was said for all that the caller may see"] = None
    resource_type: Annotated[int | None, "the limit of this kind"] = None
    resource_type_name: Annotated[str | None, "the limit of the kind of this name"] = None
    tag: Tag = None
    keyword: Annotated[str | None, "text that the name of the kind contains"] = None
    page: Annotated[int | None, "which page, from 1; needs pagesize", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page, at most 500; -1 for no limit", Bound(-1)] = None

    async def run(self, caller: Caller) -> Page:
        cloud, limits = caller.cloud, caller.cloud.view(Limits)
        found = [
            (owner_id, one, tag)
            for owner_id in self._owners(caller)
            for one in self._kinds()
            for tag in ("", *limits.tags(one.name))
            if self.tag in (None, "", tag)
        ]
        rows = cut(found, self.page, self.page_size, caller)
        shown = [ResourceLimitView.made(who, one, tag, cloud) for who, one, tag in rows]
        return Page(len(found), shown)

    def _owners(self, caller: Caller) -> Iterator[UUID]:
        """Whose: nobody who was not there yet at the time that is asked of."""
        top = self.domain_id or caller.domain_id
        by_domain = self.account is None and self.project_id is None
        by_domain &= bool(self.domain_id or self.list_all)
        if by_domain and governs(caller.identity, caller.cloud, top):
            yield from self._domains(caller, top)
            return
        account_id, _ = owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )
        if account_id in caller.cloud.table("account"):
            yield account_id

    def _domains(self, caller: Caller, top: UUID) -> Iterator[UUID]:
        table = caller.cloud[domains]
        if top in table:
            deep, path = self.is_recursive or self.list_all, table[top].path
            yield from (d.id for d in table if d.id == top or (deep and is_below(d.path, path)))

    def _kinds(self) -> Iterator[Resource]:
        number = self.resource_type if self.resource_type is not None else self.id
        if number is not None:
            kind_of(number)
        word, name = (self.keyword or "").lower(), (self.resource_type_name or "").lower()
        for one in RESOURCES.values():
            if number in (None, one.number) and word in one.name and name in ("", one.name):
                yield one


@command(
    "updateResourceLimit",
    returns=ResourceLimitView,
    key="resourcelimit",
    allow="ARD",
    action="RESOURCE.LIMIT.UPDATE",
)
class UpdateResourceLimit:
    """Say how much of a kind an account, a domain or a project may have."""

    resource_type: Annotated[int, "the number of the kind, see listResourceLimits"]
    account: Annotated[str | None, "the account; its domain is given too"] = None
    domain_id: Annotated[
        UUID | None, "the domain, or that of the account", Names("domain", right="operate")
    ] = None
    project_id: Annotated[UUID | None, "the project", Names("project", right="operate")] = None
    max: Annotated[int | None, "how much, storage in GiB; -1, or nothing, is without limit"] = None
    tag: Tag = None

    async def run(self, caller: Caller) -> ResourceLimitView:
        kind, tag = kind_of(self.resource_type), self.tag or ""
        owner_kind, owner_id = self._owner(caller)
        ask = SetLimit(
            id=caller.new_id(),
            owner_kind=owner_kind,
            owner_id=owner_id,
            resource=kind.name,
            maximum=UNLIMITED if self.max is None else self.max,
            tag=tag,
        )
        await caller.decide(ask)
        return ResourceLimitView.made(owner_id, kind, tag, caller.cloud)

    def _owner(self, caller: Caller) -> tuple[str, UUID]:
        """Whose limit it is. Nobody but a root administrator says how much it may have itself."""
        who = caller.identity
        if self.account is None and self.project_id is None:
            if self.domain_id is None:
                raise ParamError("whose limit is it? Give domainid, with account, or projectid")
            if self.domain_id == who.domain_id and not who.is_root:
                raise Denied(
                    f"account {who.account} may not set the limits of its own domain: ask an "
                    "administrator of the domain above"
                )
            return "domain", self.domain_id
        account_id, domain_id = owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )
        if not governs(who, caller.cloud, domain_id):
            raise Denied(f"account {who.account} does not administer domain {domain_id}")
        if account_id == who.account_id and not who.is_root:
            raise Denied(
                f"account {who.account} may not set its own limits: ask another administrator"
            )
        return "account", account_id


@command(
    "updateResourceCount",
    returns=ResourceCountView,
    key="resourcecount",
    shape="list",
    allow="ARD",
    reads=True,
)
class UpdateResourceCount:
    """Tell how much an account, a domain or a project has. Counts are sums and need no mending."""

    domain_id: Annotated[
        UUID, "the domain, or that of the account", Names("domain", right="operate")
    ]
    account: Annotated[str | None, "the account"] = None
    project_id: Annotated[UUID | None, "the project", Names("project", right="operate")] = None
    resource_type: Annotated[int | None, "only this kind"] = None
    tag: Tag = None

    async def run(self, caller: Caller) -> Page:
        owner_id = self.domain_id
        if self.account is not None or self.project_id is not None:
            domain_id = None if self.project_id else self.domain_id
            owner_id, _ = owner_for(
                caller, account=self.account, domain_id=domain_id, project_id=self.project_id
            )
        kinds = list(RESOURCES.values())
        if self.resource_type is not None:
            kinds = [kind_of(self.resource_type)]
        tag = self.tag or ""
        found = [
            ResourceCountView.made(owner_id, one, tag, caller.cloud)
            for one in kinds
            if not tag or one.tagged_by
        ]
        return Page(len(found), found)


def kind_of(number: int) -> Resource:
    """The kind with this number."""
    if number not in BY_NUMBER:
        raise InvalidValue(
            f"resourcetype {number} is no kind that is limited: give a number from 0 to "
            f"{max(BY_NUMBER)}"
        )
    return BY_NUMBER[number]
