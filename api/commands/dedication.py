"""Commands that keep a zone, pod, cluster or host for one domain or account, and open it again.

The three commands about a place are the same for all four kinds of places, so they are declared
by one function; `dedicateCluster` alone answers with an object where the others give a list.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from api.caller import Caller, Job
from api.commands.identity_checks import account_of
from api.declare import Names, Success, command
from api.lists import NONE_IS, Filter, list_command
from api.views.dedication import (
    DedicatedClusterView,
    DedicatedHostView,
    DedicatedPodView,
    DedicatedView,
    DedicatedZoneView,
)
from engine.intents.dedication import Dedicate, Release
from engine.intents.job import AsJob
from projections.account import accounts
from projections.dedication import dedications


class Keep:
    """What `dedicate...` takes besides the place."""

    PLACE = ""

    domain_id: Annotated[UUID, "the domain", Names("domain", right="operate")]
    account: Annotated[str | None, "the only account of that domain"] = None

    async def run(self, caller: Caller) -> Job:
        whom = account_of(caller, None, self.account, self.domain_id) if self.account else None
        ask = Dedicate(
            id=caller.new_id(),
            place=f"{self.PLACE}_id",
            place_id=getattr(self, f"{self.PLACE}_id"),
            domain_id=self.domain_id,
            account_id=whom.id if whom is not None else None,
        )
        return await caller.submit(AsJob(ask=ask, subject_kind="dedication", subject_id=ask.id))


class Open:
    """What `releaseDedicated...` does."""

    PLACE = ""

    async def run(self, caller: Caller) -> Job:
        place_id: UUID = getattr(self, f"{self.PLACE}_id")
        ask = Release(place=f"{self.PLACE}_id", place_id=place_id)
        return await caller.submit(AsJob(ask=ask, subject_kind=self.PLACE, subject_id=place_id))


class Kept:
    """What `listDedicated...` takes besides the place."""

    PLACE = ""

    domain_id: Annotated[UUID | None, "kept for this domain", Names("domain", right="see")] = None
    account: Annotated[str | None, "kept for the account of this name", Filter()] = None
    affinity_group_id: Annotated[
        UUID | None, "by this affinity group: none is", Names("affinity_group", "see"), NONE_IS
    ] = None

    def visible(self, row: Any, caller: Caller) -> bool:
        return getattr(row, f"{self.PLACE}_id") is not None

    def matches(self, row: Any, caller: Caller) -> bool:
        if self.account is None:
            return True
        whom = caller.cloud[accounts].get(row.account_id)
        return whom is not None and whom.name.lower() == self.account.lower()


def _declared(body: type, name: str, doc: str, place: str, place_id: Any, **default: Any) -> type:
    """A class with the fields and methods of `body`, and the id of the place before them."""
    own = {key: value for key, value in vars(body).items() if not key.startswith("__")}
    hints = {f"{place}_id": place_id} | dict(body.__annotations__)
    space = own | {"PLACE": place, "__annotations__": hints, "__doc__": doc} | default
    return type(name, (), space | {"__module__": __name__})


def declare(place: str, view: type[DedicatedView], shape: Literal["list", "object"]) -> None:
    """Register the three commands about one kind of place."""
    title, key = place.title(), f"dedicated{place}"
    operated = Annotated[UUID, f"the {place}", Names(place, right="operate")]
    seen = Annotated[UUID | None, f"this {place}", Names(place, right="see")]
    keep = f"Keep a {place} for a domain, or for one account of it: others are not placed there."
    command(
        f"dedicate{title}",
        returns=view,
        key=key,
        shape=shape,
        is_async=True,
        allow="A",
        action="DEDICATE.RESOURCE",
    )(_declared(Keep, f"Dedicate{title}", keep, place, operated))
    command(
        f"releaseDedicated{title}",
        returns=Success,
        is_async=True,
        allow="A",
        action="RELEASE.DEDICATED.RESOURCE",
    )(_declared(Open, f"Release{title}", f"Open a {place} to everybody again.", place, operated))
    listed = f"List the {place}s that are kept for somebody."
    list_command(
        f"listDedicated{title}s",
        view=view,
        table=dedications,
        key=key,
        scope="admin",
        keyword=(),
        allow="A",
    )(_declared(Kept, f"List{title}s", listed, place, seen, **{f"{place}_id": None}))


declare("zone", DedicatedZoneView, "list")
declare("pod", DedicatedPodView, "list")
declare("cluster", DedicatedClusterView, "object")
declare("host", DedicatedHostView, "list")
