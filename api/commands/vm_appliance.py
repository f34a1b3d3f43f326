"""What who deploys an appliance says: its properties, which network each card is on, its disks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Protocol
from uuid import UUID

from api.commands.vm_disks import Source
from api.declare import Free, Names, entry
from api.errors import InvalidValue
from projections.template import Deployed, Template

CONFIGURATION = "configurationid"
INSTANCE = Free("a card of the appliance, by its InstanceID in the template's deployasisdetails")


@entry
class Property:
    """A property of the appliance, and its value for this guest."""

    key: Annotated[str, "its key, as the template's deployasisdetails has it"]
    value: Annotated[str | None, "its value; empty if omitted"] = None


@entry
class CardToNetwork:
    """A card of the appliance, and the network that it shall be on."""

    nic: Annotated[int, "its InstanceID, as the template's deployasisdetails has it", INSTANCE]
    network: Annotated[UUID, "the network", Names("network")]


class ApplianceAsked(Protocol):
    """The parameters of a deploy that speak of an appliance."""

    @property
    def properties(self) -> tuple[Property, ...] | None: ...
    @property
    def nic_network_list(self) -> tuple[CardToNetwork, ...] | None: ...
    @property
    def network_ids(self) -> tuple[UUID, ...] | None: ...
    @property
    def ip_to_network_list(self) -> tuple[object, ...] | None: ...
    @property
    def root_disk_size(self) -> int | None: ...
    @property
    def details(self) -> dict[str, str] | None: ...


@dataclass(frozen=True, slots=True)
class AsIs:
    """What the guest has of its appliance; `secrets` are to be sealed."""

    deployed: Deployed | None
    secrets: dict[str, str]
    firmware: str
    network_ids: tuple[UUID, ...] | None


def settle_appliance(ask: ApplianceAsked, source: Source) -> AsIs:
    """Check all that is said of an appliance against what it says of itself."""
    template = source.template
    if template is None or not template.deploy_as_is or template.appliance is None:
        for name, asked in (("properties", ask.properties), ("nicnetworklist", _nics(ask))):
            if asked:
                raise InvalidValue(
                    f"{name} is for templates of appliances that are deployed as they are: "
                    f"leave {name} out, or register the OVA with deployasis=true"
                )
        return AsIs(None, {}, "", ask.network_ids)
    if ask.root_disk_size is not None:
        raise InvalidValue(
            f"template {template.name} is deployed as it is: leave rootdisksize out, and resize "
            "the volume afterwards"
        )
    given = {one.key: one.value or "" for one in ask.properties or ()}
    if len(given) != len(ask.properties or ()):
        raise InvalidValue("properties gives one key twice: give each property one value")
    wanted = {name.lower(): value for name, value in (ask.details or {}).items()}
    deployed, secrets = template.appliance.deploy(given, wanted.get(CONFIGURATION) or "")
    return AsIs(deployed, secrets, template.appliance.firmware, _networks(ask, template))


def _nics(ask: ApplianceAsked) -> tuple[CardToNetwork, ...]:
    return ask.nic_network_list or ()


def _networks(ask: ApplianceAsked, template: Template) -> tuple[UUID, ...] | None:
    """A network for each card of the appliance, in its order, if they are said card by card."""
    if not _nics(ask):
        return ask.network_ids
    if ask.network_ids or ask.ip_to_network_list:
        raise InvalidValue("nicnetworklist, networkids and iptonetworklist exclude each other")
    assert template.appliance is not None
    cards = template.appliance.cards
    on = {one.nic: one.network for one in _nics(ask)}
    known = ", ".join(f"{one.instance_id} ({one.network})" for one in cards) or "none"
    for one in _nics(ask):
        if one.nic not in [card.instance_id for card in cards]:
            raise InvalidValue(
                f"nicnetworklist: template {template.name} has no card {one.nic}: it has {known}"
            )
    for card in cards:
        if card.instance_id not in on:
            raise InvalidValue(
                f"nicnetworklist says no network for card {card.instance_id} ({card.network}) of "
                f"template {template.name}: say one for each of {known}"
            )
    return tuple(on[card.instance_id] for card in cards)
