"""What serves bare-metal machines: an interface of the controllers', and a port."""

from __future__ import annotations

import re

from aggregates.errors import Invalid
from engine.decide import Desk
from engine.decisions.record import Proposed, rule

INTERFACE = re.compile(r"[\w.-]{1,15}")


@rule("baremetal_service")
def interface_is_one(one: Proposed, desk: Desk) -> None:
    if not INTERFACE.fullmatch(one["interface"] or ""):
        raise Invalid(
            f"url names no interface ({one['interface']!r}): write interface://br-prov", field="url"
        )
    if not 0 <= (one["port"] or 0) < 65536:
        raise Invalid(f"the port {one['port']} in url is none", field="url")
