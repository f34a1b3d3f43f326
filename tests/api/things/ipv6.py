"""A network with IPv6, and a rule of its firewall."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tenant.world import ZONE

if TYPE_CHECKING:
    from tests.api.everybody import House


async def furnish(here: House) -> None:
    zone = {"zoneid": str(ZONE)}
    await here.make("root", "createGuestNetworkIpv6Prefix", prefix="fd17:5:8a43::/48", **zone)
    asked = {"name": "dual", "guestiptype": "Isolated", "traffictype": "Guest", "enable": "true"}
    both = {"internetprotocol": "DualStack", "supportedservices": "Dhcp,Dns"}
    offering = (await here.make("root", "createNetworkOffering", **asked, **both))[
        "networkoffering"
    ]
    asked = zone | {"name": "dual", "networkofferingid": offering["id"]}
    network = (await here.make("ann", "createNetwork", **asked))["network"]
    rule = {"networkid": network["id"], "protocol": "tcp"}
    await here.make("ann", "createIpv6FirewallRule", **rule)
