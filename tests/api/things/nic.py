"""A further address of the guest's card."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.api.everybody import House


async def furnish(here: House) -> None:
    await here.make("ann", "addIpToNic", nicid=str(here.thing("nic")))
