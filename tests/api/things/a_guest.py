"""A guest, its disk, its network, a key pair and a template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.genesis import stable_id
from engine.intents import SYSTEM
from engine.intents.template import RegisterTemplate
from tests.tenant.world import SMALL, TEMPLATE, ZONE, named

if TYPE_CHECKING:
    from tests.api.everybody import House


async def furnish(here: House) -> None:
    ask = {"zoneid": str(ZONE), "serviceofferingid": SMALL, "templateid": TEMPLATE}
    named_so = {"startvm": "false", "name": "web", "displayname": "the web"}
    await here.make("ann", "deployVirtualMachine", **ask, **named_so)
    await here.make("ann", "createSSHKeyPair", name="laptop")
    template = RegisterTemplate(
        template_id=named("template"),
        account_id=named("account ann"),
        domain_id=named("domain ann"),
        name="mine",
        display_text="mine",
        url="sim://mine",
        hypervisor="Simulator",
        image_format="QCOW2",
        trusted=True,
        os_type_id=stable_id("os_type", "Other Linux (64-bit)"),
    )
    await here.controller.engine.perform(template, SYSTEM)
