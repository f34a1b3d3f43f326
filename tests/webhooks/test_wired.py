"""A controller delivers by itself: nobody has to begin it."""

from __future__ import annotations

from tests.tenant.world import Place
from tests.webhooks.endpoint import Endpoint
from tests.webhooks.test_deliver import create, happen, told


async def test_a_controller_delivers_from_its_start(wired: Place, hook: Endpoint) -> None:
    await create(wired.ann, hook.url)
    made = await happen(wired.ann, "one", "two")
    await hook.until(lambda: told(hook) == made)
