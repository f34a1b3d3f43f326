"""Datacentres of vCenters as the wire shows them. Who the controller is there is not shown."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.authz import noun
from api.declare import Cloud, View, view
from projections.vmware_dc import VmwareDc

noun("vmware_dc", "admin")


@view
class VmwareDcView(View, kw_only=True):
    """A datacentre of a vCenter that hosts of a zone come from."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "what the vCenter calls it"]
    vcenter: Annotated[str, "the vCenter"]

    @classmethod
    def of(cls, row: VmwareDc, cloud: Cloud) -> VmwareDcView:
        return cls(id=row.id, name=row.name, vcenter=row.vcenter)
