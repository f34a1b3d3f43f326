"""What usage costs, and a credit of ann's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tenant.world import named

if TYPE_CHECKING:
    from tests.api.everybody import House


async def furnish(here: House) -> None:
    await here.make("root", "updateConfiguration", name="quota.enable.service", value="true")
    await here.make("root", "quotaTariffCreate", name="disks", usagetype="6", value="1")
    ann = {"account": "ann", "domainid": str(named("domain ann"))}
    await here.make("root", "quotaCredits", value="10", **ann)
