"""What a network can do: the services that its offering gives it, and who provides them."""

from __future__ import annotations

from aggregates.errors import NotAllowed
from aggregates.network import Network
from projections.cloud import Cloud
from projections.network_offering import NetworkOffering, network_offerings


def require(network: Network, service: str, what: str) -> None:
    """Refuse what needs a service that the network's offering does not give."""
    if network.guest_ip_type != "Isolated":
        raise NotAllowed(
            f"network {network.name} is {network.guest_ip_type}: {what} is for Isolated networks"
        )
    if service not in network.services:
        raise NotAllowed(
            f"network {network.name} has no service {service}, which {what} needs: "
            "choose a network whose offering has it"
        )


def offering_of(network: Network, cloud: Cloud) -> NetworkOffering | None:
    return cloud[network_offerings].get(network.offering_id)


def conserves(network: Network, cloud: Cloud) -> bool:
    """May one address of the network serve several purposes?"""
    offering = offering_of(network, cloud)
    return offering is None or offering.conserve_mode
