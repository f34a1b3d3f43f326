"""Public addresses with a rule of each kind, and what balances load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.rules.certificates import fresh, issue, text
from tests.tenant.world import ISOLATED, POD, WIRES, ZONE

if TYPE_CHECKING:
    from tests.api.everybody import House

LIST = "listVirtualMachines"


async def furnish(here: House) -> None:
    await here.make(
        "root", "createVlanIpRange", zoneid=str(ZONE), physicalnetworkid=str(WIRES),
        gateway="198.51.100.1", netmask="255.255.255.0", startip="198.51.100.10",
        endip="198.51.100.39", forvirtualnetwork="true",
    )  # fmt: skip
    asked = {"name": "ruled", "networkofferingid": ISOLATED, "zoneid": str(ZONE)}
    network = str((await here.make("ann", "createNetwork", **asked))["network"]["id"])
    guest = (await here.make("ann", LIST))["virtualmachine"][0]
    first, second = [await _address(here, guest["nic"][0]["networkid"]) for _ in range(2)]
    ports = {"protocol": "tcp", "publicport": "22", "privateport": "22"}
    target = {"ipaddressid": first, "virtualmachineid": guest["id"]}
    await here.make("ann", "createPortForwardingRule", **target, **ports)
    await here.make("ann", "enableStaticNat", ipaddressid=second, virtualmachineid=guest["id"])
    port = {"ipaddressid": second, "protocol": "tcp", "startport": "80"}
    await here.make("ann", "createIpForwardingRule", **port)
    await here.make("ann", "createEgressFirewallRule", networkid=network, protocol="all")
    await _balancer(here, network)
    await _served(here)
    await _certificate(here)
    wires = {"physicalnetworkid": str(WIRES), "traffictype": "Storage"}
    await here.make("root", "addTrafficType", **wires)
    asked = {"podid": str(POD), "gateway": "192.0.2.1", "netmask": "255.255.255.0"}
    await here.make("root", "createStorageNetworkIpRange", **asked, startip="192.0.2.200")


async def _certificate(here: House) -> None:
    key = fresh()
    pem = {"certificate": issue("site", key, "site", key), "privatekey": text(key)}
    await here.make("ann", "uploadSslCert", name="site", **pem)


async def _served(here: House) -> None:
    """A network that is kept up without guests, and so has a router."""
    offered = await here.make(
        "root", "createNetworkOffering", name="lasting", displaytext="lasting",
        guestiptype="Isolated", traffictype="GUEST", supportedservices="Dhcp,SourceNat",
        ispersistent="true", enable="true",
    )  # fmt: skip
    asked = {"name": "lasting", "zoneid": str(ZONE), "gateway": "10.6.0.1"}
    asked |= {"networkofferingid": offered["networkoffering"]["id"], "netmask": "255.255.255.0"}
    await here.make("ann", "createNetwork", **asked)


async def _address(here: House, network_id: str) -> str:
    return str((await here.make("ann", "associateIpAddress", networkid=network_id))["id"])


async def _balancer(here: House, network_id: str) -> None:
    asked: dict[str, Any] = {"algorithm": "roundrobin", "publicport": "80", "privateport": "80"}
    asked |= {"name": "balanced", "networkid": network_id}
    rule = str((await here.make("ann", "createLoadBalancerRule", **asked))["id"])
    sticky = {"name": "sticky", "methodname": "LbCookie"}
    await here.make("ann", "createLBStickinessPolicy", lbruleid=rule, **sticky)
    await here.make("ann", "createLBHealthCheckPolicy", lbruleid=rule)
