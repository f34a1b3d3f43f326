"""An ISO of ann's, ready for simulated hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.genesis import stable_id
from engine.intents import SYSTEM
from engine.intents.iso import RegisterIso
from tests.tenant.world import named

if TYPE_CHECKING:
    from tests.api.everybody import House


async def furnish(here: House) -> None:
    disc = RegisterIso(
        template_id=named("iso"),
        account_id=named("account ann"),
        domain_id=named("domain ann"),
        name="disc",
        display_text="disc",
        url="http://example.org/disc.iso",
        hypervisor="Simulator",
        image_format="ISO",
        trusted=False,
        os_type_id=stable_id("os_type", "Other Linux (64-bit)"),
    )
    await here.controller.engine.perform(disc, SYSTEM)
