"""What a guest can belong to and be told: groups and user data."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.api.everybody import House


async def furnish(here: House) -> None:
    await here.make("ann", "createAffinityGroup", name="apart", type="host anti-affinity")
    await here.make("ann", "createInstanceGroup", name="lab")
    await here.make("ann", "registerUserData", name="hello", userdata="aGVsbG8=", params="who")
