"""A second key of ann's, with limited rights."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.api.everybody import House


async def furnish(here: House) -> None:
    rule = {"rules[0].rule": "list*", "rules[0].permission": "allow"}
    await here.make("ann", "createUserKey", name="reader", **rule)
