"""A security group with a rule each way."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.api.everybody import House


async def furnish(here: House) -> None:
    await here.make("ann", "createSecurityGroup", name="web")
    for way in ("Ingress", "Egress"):
        asked = {"securitygroupname": "web", "cidrlist": "10.0.0.0/8"}
        await here.make("ann", f"authorizeSecurityGroup{way}", **asked)
