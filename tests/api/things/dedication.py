"""A host that is kept for ann's domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tenant.world import named

if TYPE_CHECKING:
    from tests.api.everybody import House


async def furnish(here: House) -> None:
    host, domain = str(named("host 2")), str(named("domain ann"))
    await here.make("root", "dedicateHost", hostid=host, domainid=domain)
