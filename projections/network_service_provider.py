"""Network service providers as they are read."""

from aggregates.network_service_provider import PROVIDERS, NetworkServiceProvider
from projections.table import table

network_service_providers = table(NetworkServiceProvider, indexed=("physical_network_id", "name"))

__all__ = ["PROVIDERS", "NetworkServiceProvider", "network_service_providers"]
