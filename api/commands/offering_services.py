"""The services of an offering as commands name them: which, who provides each, and how."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Protocol

from api.declare import OneOf, entry
from api.errors import InvalidValue
from projections.network_service_provider import PROVIDERS

SERVICES = OneOf(
    *("Dhcp", "Dns", "UserData", "Firewall", "Lb", "Vpn", "SourceNat", "StaticNat"),
    *("PortForwarding", "SecurityGroup", "NetworkACL", "Gateway", "Connectivity", "BaremetalPxe"),
)


@entry
class ServiceProvider:
    """Who provides a service."""

    service: Annotated[str, "the service", SERVICES]
    provider: Annotated[str, "who provides it"]


@entry
class ServiceCapability:
    """How a service is provided."""

    service: Annotated[str, "the service", SERVICES]
    capability_type: Annotated[str, "what about it"]
    capability_value: Annotated[str, "and how"]


class ServicesAsked(Protocol):
    """The parameters of an offering that speak of services."""

    @property
    def supported_services(self) -> tuple[str, ...] | None: ...
    @property
    def service_provider_list(self) -> tuple[ServiceProvider, ...] | None: ...
    @property
    def service_capability_list(self) -> tuple[ServiceCapability, ...] | None: ...


def settle_services(ask: ServicesAsked, usual: str) -> dict[str, list[str]]:
    """Each service with its providers; `usual` provides what nobody is named for."""
    found: dict[str, list[str]] = {}
    for pair in ask.service_provider_list or ():
        found.setdefault(pair.service, []).append(_provider(pair))
    try:
        wanted = [SERVICES.spell(one) for one in ask.supported_services or found]
    except ValueError as wrong:
        raise InvalidValue(f"supportedservices {wrong}") from wrong
    extra = sorted(set(found) - set(wanted))
    if extra:
        raise InvalidValue(f"{', '.join(extra)} has a provider but is no supported service")
    return {name: found.get(name) or [_able(name, usual)] for name in wanted}


def _able(service: str, usual: str) -> str:
    """The usual provider if it can do it, else the first that can."""
    able = [name for name, services in PROVIDERS.items() if service in services]
    return usual if usual in able or not able else able[0]


def _provider(pair: ServiceProvider) -> str:
    """A provider by its name in any case; one that there is, and that can do it."""
    named = {name.lower(): name for name in PROVIDERS}
    name = named.get(pair.provider.lower())
    if name is None:
        raise InvalidValue(
            f"there is no provider {pair.provider}: known are {', '.join(sorted(PROVIDERS))}"
        )
    if pair.service not in PROVIDERS[name]:
        able = ", ".join(PROVIDERS[name]) or "nothing"
        raise InvalidValue(f"provider {name} cannot do {pair.service}: it can do {able}")
    return name


def capabilities(ask: ServicesAsked) -> dict[str, str]:
    """Capabilities as settings by service and type: `SourceNat.RedundantRouter`."""
    return {
        f"{one.service}.{one.capability_type}": one.capability_value
        for one in ask.service_capability_list or ()
    }


def is_set(settings: dict[str, str], *names: str) -> bool:
    """Is one of these settings true?"""
    return any(settings.get(name, "").lower() == "true" for name in names)


def has_all(row: Any, services: Iterable[str]) -> bool:
    """Has the offering, VPC or network all of these services?"""
    there = {name.lower() for name in row.services}
    return all(one.strip().lower() in there for one in services)
