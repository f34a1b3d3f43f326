"""The elements that make routers and internal load balancers, as clients see them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import View, view
from projections.cloud import Cloud
from projections.router_element import RouterElement


@view
class VirtualRouterElementView(View, kw_only=True):
    id: Annotated[UUID, "the element"]
    nsp_id: Annotated[UUID, "its provider"]
    enabled: Annotated[bool, "whether it may make routers"]

    @classmethod
    def of(cls, row: RouterElement, cloud: Cloud) -> VirtualRouterElementView:
        return cls(id=row.id, nsp_id=row.provider_id, enabled=row.enabled)


@view
class InternalLoadBalancerElementView(View, kw_only=True):
    id: Annotated[UUID, "the element"]
    nsp_id: Annotated[UUID, "its provider"]
    enabled: Annotated[bool, "whether it may make load balancers"]

    @classmethod
    def of(cls, row: RouterElement, cloud: Cloud) -> InternalLoadBalancerElementView:
        return cls(id=row.id, nsp_id=row.provider_id, enabled=row.enabled)
