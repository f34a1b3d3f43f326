"""Commands about tags: clients ask for them, and nothing carries any yet."""

from __future__ import annotations

from typing import Annotated

from api.caller import Caller
from api.declare import Free, Page, View, command, view


@view
class TagView(View, kw_only=True):
    """A key and its value on a thing."""

    key: Annotated[str, "the key"]
    value: Annotated[str, "the value"]
    resource_type: Annotated[str, "the kind of the thing"]
    resource_id: Annotated[str, "the thing"]


@command("listTags", returns=TagView, key="tag", shape="list", allow="ARDU")
class ListTags:
    """List tags: nothing carries any."""

    resource_type: Annotated[str | None, "tags of things of this kind"] = None
    resource_id: Annotated[str | None, "tags of this thing", Free("nothing is looked up")] = None
    key: Annotated[str | None, "tags with this key"] = None

    async def run(self, caller: Caller) -> Page:
        return Page(0, [])
