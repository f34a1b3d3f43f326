"""Lists about the infrastructure as a whole: kinds, tags, services, counts, controllers."""

from __future__ import annotations

from typing import Annotated
from uuid import NAMESPACE_URL, UUID, uuid5

from api.authz import noun
from api.commands.physical_network import ISOLATION_METHODS
from api.declare import Bound, Caller, Names, OneOf, Page, command
from api.lists import cut
from api.views.infrastructure import (
    HostTagView,
    HypervisorView,
    InfrastructureView,
    IsolationMethodView,
    StorageProviderView,
    StorageTagView,
    SupportedServiceView,
)
from api.views.network_service_provider import NetworkServiceProviderView
from projections.cluster import clusters
from projections.finding import findings
from projections.host import hosts
from projections.image_store import image_stores
from projections.network_service_provider import PROVIDERS
from projections.pod import pods
from projections.router import routers
from projections.storage_pool import storage_pools
from projections.system_vm import system_vms
from projections.zone import zones

noun("hypervisor_capabilities", "admin")

ROUTER = "VIRTUAL_ROUTER"
KeywordText = Annotated[str | None, "text that the name contains"]
PageNumber = Annotated[int | None, "which page, from 1", Bound(1)]
PageSize = Annotated[int | None, "rows a page, at most 500; -1 for no limit", Bound(-1)]


def _id(kind: str, name: str) -> UUID:
    """The lasting id of something that has no row of its own."""
    return uuid5(NAMESPACE_URL, f"sagastack:{kind}/{name}")


@command("listHypervisors", returns=HypervisorView, key="hypervisor", shape="list", allow="ARDU")
class ListHypervisors:
    """List the kinds of hypervisor of a zone, or all that can be used."""

    zone_id: Annotated[UUID | None, "kinds in this zone", Names("zone", right="see")] = None

    async def run(self, caller: Caller) -> list[HypervisorView]:
        if self.zone_id is None:
            return [HypervisorView(name=kind) for kind in caller.engine.kinds()]
        here = {row.hypervisor for row in caller.cloud[clusters].by("zone_id", self.zone_id)}
        return [HypervisorView(name=kind) for kind in sorted(here)]


@command("listHostTags", returns=HostTagView, key="hosttag", shape="list", allow="ARD")
class ListHostTags:
    """List the tags that hosts carry."""

    keyword: KeywordText = None
    page: PageNumber = None
    page_size: PageSize = None

    async def run(self, caller: Caller) -> Page:
        names = sorted({tag for host in caller.cloud[hosts] for tag in host.tags})
        found = [HostTagView(id=_id("hosttag", tag), name=tag, is_implicit=False) for tag in names]
        return Page(len(found), cut(found, self.page, self.page_size, caller))


@command("listStorageTags", returns=StorageTagView, key="storagetag", shape="list", allow="ARD")
class ListStorageTags:
    """List the tags that storage pools carry."""

    keyword: KeywordText = None
    page: PageNumber = None
    page_size: PageSize = None

    async def run(self, caller: Caller) -> Page:
        names = sorted({tag for pool in caller.cloud[storage_pools] for tag in pool.tags})
        found = [StorageTagView(id=_id("storagetag", tag), name=tag) for tag in names]
        return Page(len(found), cut(found, self.page, self.page_size, caller))


@command(
    "listStorageProviders",
    returns=StorageProviderView,
    key="dataStoreProvider",
    shape="list",
    allow="AR",
)
class ListStorageProviders:
    """List what can serve primary storage or images."""

    type: Annotated[str, "primary or image", OneOf("primary", "image", "object")]
    keyword: KeywordText = None
    page: PageNumber = None
    page_size: PageSize = None

    async def run(self, caller: Caller) -> Page:
        known = {"primary": ["DefaultPrimary"], "image": ["NFS"], "object": []}[self.type]
        found = [StorageProviderView(name=name, type=self.type.upper()) for name in known]
        return Page(len(found), cut(found, self.page, self.page_size, caller))


@command(
    "listNetworkIsolationMethods",
    returns=IsolationMethodView,
    key="isolationmethod",
    shape="list",
    allow="A",
)
class ListNetworkIsolationMethods:
    """List how networks can be kept apart."""

    keyword: KeywordText = None
    page: PageNumber = None
    page_size: PageSize = None

    async def run(self, caller: Caller) -> Page:
        word = (self.keyword or "").upper()
        found = [IsolationMethodView(name=name) for name in ISOLATION_METHODS if word in name]
        return Page(len(found), cut(found, self.page, self.page_size, caller))


@command(
    "listSupportedNetworkServices",
    returns=SupportedServiceView,
    key="networkservice",
    shape="list",
    allow="A",
)
class ListSupportedNetworkServices:
    """List network services and who can provide each."""

    provider: Annotated[str | None, "services of this provider"] = None
    service: Annotated[str | None, "the service of this name"] = None
    keyword: KeywordText = None
    page: PageNumber = None
    page_size: PageSize = None

    async def run(self, caller: Caller) -> Page:
        services = sorted({one for able in PROVIDERS.values() for one in able})
        found = []
        for service in services:
            able = [name for name, known in PROVIDERS.items() if service in known]
            if self.service and self.service.lower() != service.lower():
                continue
            if self.provider and self.provider.lower() not in [name.lower() for name in able]:
                continue
            offers = [
                NetworkServiceProviderView(name=n, can_enable_individual_service=True) for n in able
            ]
            found.append(SupportedServiceView(name=service, provider=offers, capability=[]))
        return Page(len(found), cut(found, self.page, self.page_size, caller))


@command("listInfrastructure", returns=InfrastructureView, key="infrastructure", allow="A")
class ListInfrastructure:
    """Count the parts of the infrastructure."""

    async def run(self, caller: Caller) -> InfrastructureView:
        cloud = caller.cloud
        roles = [row.role for row in cloud[routers]]
        return InfrastructureView(
            zones=len(cloud[zones]),
            pods=len(cloud[pods]),
            clusters=len(cloud[clusters]),
            hosts=len(cloud[hosts]),
            storage_pools=len(cloud[storage_pools]),
            image_stores=len(cloud[image_stores]),
            object_stores=0,
            backup_repositories=0,
            system_vms=len(cloud[system_vms]),
            routers=roles.count(ROUTER),
            ilbvms=len(roles) - roles.count(ROUTER),
            management_servers=1,
            alerts=sum(not row.shelf for row in cloud[findings]),
        )
