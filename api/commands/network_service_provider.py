"""Providers of network services: add, enable, remove, list."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.commands import state_words
from api.declare import Caller, Job, Later, Names, Success, command
from api.lists import list_command
from api.views.network_service_provider import NetworkServiceProviderView
from engine.intents.job import AsJob
from engine.intents.network_service_provider import AddProvider, RemoveProvider, UpdateProvider
from projections.network_service_provider import network_service_providers

KIND = "network_service_provider"


@command(
    "addNetworkServiceProvider",
    returns=NetworkServiceProviderView,
    key="networkserviceprovider",
    allow="A",
    is_async=True,
    creates=True,
    action="SERVICE.PROVIDER.CREATE",
)
class AddNetworkServiceProvider:
    """Add a provider to a physical network; it is Disabled at first."""

    name: Annotated[str, "which provider"]
    physical_network_id: Annotated[
        UUID, "the physical network", Names("physical_network", right="operate")
    ]
    service_list: Annotated[list[str] | None, "its services; all that it can, if left out"] = None
    destination_physical_network_id: Annotated[
        UUID | None, "not offered yet", Later("providers serve their own network")
    ] = None

    async def run(self, caller: Caller) -> Job:
        ask = AddProvider(
            id=caller.new_id(),
            physical_network_id=self.physical_network_id,
            name=self.name,
            services=tuple(self.service_list or ()),
        )
        return await caller.submit(AsJob(ask=ask, subject_kind=KIND, subject_id=ask.id))


@command(
    "updateNetworkServiceProvider",
    returns=NetworkServiceProviderView,
    key="networkserviceprovider",
    allow="A",
    is_async=True,
    action="SERVICE.PROVIDER.UPDATE",
)
class UpdateNetworkServiceProvider:
    """Enable or disable a provider. One that makes routers needs its element enabled first."""

    id: Annotated[UUID, "the provider", Names(KIND, right="operate")]
    state: Annotated[str | None, "Enabled or Disabled", state_words.PROVIDER] = None
    service_list: Annotated[list[str] | None, "its services"] = None

    async def run(self, caller: Caller) -> Job:
        state = "Disabled" if self.state == "Shutdown" else self.state or None
        services = None if self.service_list is None else tuple(self.service_list)
        ask = UpdateProvider(id=self.id, state=state, services=services)
        return await caller.submit(AsJob(ask=ask, subject_kind=KIND, subject_id=self.id))


@command(
    "deleteNetworkServiceProvider",
    returns=Success,
    allow="A",
    is_async=True,
    action="SERVICE.PROVIDER.DELETE",
)
class DeleteNetworkServiceProvider:
    """Remove a provider that is Disabled."""

    id: Annotated[UUID, "the provider", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> Job:
        ask = RemoveProvider(id=self.id)
        return await caller.submit(AsJob(ask=ask, subject_kind=KIND, subject_id=self.id))


@list_command(
    "listNetworkServiceProviders",
    view=NetworkServiceProviderView,
    table=network_service_providers,
    key="networkserviceprovider",
    scope="admin",
    allow="A",
)
class ListNetworkServiceProviders:
    """List the providers of network services."""

    physical_network_id: Annotated[
        UUID | None, "those of this physical network", Names("physical_network", right="see")
    ] = None
    state: Annotated[str | None, "Enabled or Disabled", state_words.PROVIDER] = None
