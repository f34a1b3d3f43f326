"""Providers of network services: what each can do, and what must be ready before it may serve."""

from __future__ import annotations

from uuid import uuid5

from aggregates.errors import Invalid, NotAllowed
from aggregates.network_service_provider import ELEMENTS, PROVIDERS
from engine.decide import Desk, decision
from engine.decisions import record
from engine.intents.network_service_provider import AddProvider, RemoveProvider, UpdateProvider
from engine.intents.record import CreateRecord, RemoveRecord, UpdateRecord
from projections.network_service_provider import network_service_providers
from projections.router_element import router_elements


@decision
def add(ask: AddProvider, desk: Desk) -> None:
    if ask.name not in PROVIDERS:
        known = ", ".join(sorted(PROVIDERS))
        raise Invalid(f"there is no provider {ask.name}: known are {known}", field="name")
    services = _services(ask.name, ask.services or PROVIDERS[ask.name])
    fields = {
        "physical_network_id": ask.physical_network_id,
        "name": ask.name,
        "services": services,
    }
    record.create(CreateRecord(kind="network_service_provider", id=ask.id, fields=fields), desk)
    if ask.name in ELEMENTS:
        part = {"provider_id": ask.id, "kind": ask.name}
        element_id = uuid5(ask.id, "element")
        record.create(CreateRecord(kind="router_element", id=element_id, fields=part), desk)


@decision
def update(ask: UpdateProvider, desk: Desk) -> None:
    row = desk.row(network_service_providers, ask.id)
    fields: dict[str, object] = {}
    if ask.state is not None:
        fields["state"] = ask.state
    if ask.services is not None:
        fields["services"] = _services(row.name, ask.services)
    if ask.state == "Enabled" and row.name in ELEMENTS:
        elements = desk.cloud[router_elements].by("provider_id", row.id)
        if not any(one.enabled for one in elements):
            raise NotAllowed(
                f"provider {row.name} cannot be enabled yet: its element is not enabled; "
                "configure the element first"
            )
    record.update(UpdateRecord(kind="network_service_provider", id=row.id, fields=fields), desk)


@decision
def remove(ask: RemoveProvider, desk: Desk) -> None:
    row = desk.row(network_service_providers, ask.id)
    if row.state == "Enabled":
        raise NotAllowed(f"provider {row.name} is Enabled: disable it first")
    for element in list(desk.cloud[router_elements].by("provider_id", row.id)):
        record.remove(RemoveRecord(kind="router_element", id=element.id), desk)
    record.remove(RemoveRecord(kind="network_service_provider", id=row.id), desk)


def _services(provider: str, wanted: tuple[str, ...]) -> list[str]:
    unable = [one for one in wanted if one not in PROVIDERS.get(provider, ())]
    if unable:
        able = ", ".join(PROVIDERS.get(provider, ())) or "nothing"
        raise Invalid(
            f"provider {provider} cannot do {', '.join(unable)}: it can do {able}",
            field="servicelist",
        )
    return list(wanted)
