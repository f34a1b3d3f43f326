"""Small answers about the infrastructure as a whole."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.declare import View, view
from api.views.network_service_provider import NetworkServiceProviderView


@view
class NamedView(View, kw_only=True):
    """One thing of a kind of which there are none yet."""

    id: Annotated[UUID, "the thing"]
    name: Annotated[str, "its name"]


@view
class HypervisorView(View, kw_only=True):
    name: Annotated[str, "a kind of hypervisor"]


@view
class HostTagView(View, kw_only=True):
    id: Annotated[UUID, "this row"]
    name: Annotated[str, "a tag that hosts carry"]
    is_implicit: Annotated[bool, "whether the host gave it to itself"]


@view
class StorageTagView(View, kw_only=True):
    id: Annotated[UUID, "this row"]
    name: Annotated[str, "a tag that pools carry"]


@view
class StorageProviderView(View, kw_only=True):
    name: Annotated[str, "what serves storage"]
    type: Annotated[str, "PRIMARY or IMAGE"]


@view
class IsolationMethodView(View, kw_only=True):
    name: Annotated[str, "how networks are kept apart"]


@view
class SupportedServiceView(View, kw_only=True):
    name: Annotated[str, "a network service"]
    provider: Annotated[list[NetworkServiceProviderView], "who can provide it"]
    capability: Annotated[list[dict[str, Any]], "what can be chosen about it"]


@view
class InfrastructureView(View, kw_only=True):
    """How many there are of each part of the infrastructure."""

    zones: Annotated[int, "zones"]
    pods: Annotated[int, "pods"]
    clusters: Annotated[int, "clusters"]
    hosts: Annotated[int, "hosts"]
    storage_pools: Annotated[int, "primary storage"]
    image_stores: Annotated[int, "image stores"]
    object_stores: Annotated[int, "object stores"]
    system_vms: Annotated[int, "system VMs"]
    routers: Annotated[int, "routers"]
    ilbvms: Annotated[int, "internal load balancers"]
    management_servers: Annotated[int, "controllers"]
    backup_repositories: Annotated[int, "places for backups: none"]
    alerts: Annotated[int, "alerts"]
