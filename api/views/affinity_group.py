"""Affinity groups as the wire shows them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec

from api.declare import Cloud, View, view
from api.views.owner import OwnedView, owner
from projections.affinity_group import AffinityGroup, members


@view
class AffinityGroupView(OwnedView, kw_only=True):
    """Guests that are to run on one host, or on none together."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    description: Annotated[str | None, "what it is for"] = None
    type: Annotated[str, "whether its guests are kept apart or together, and how strictly"]
    virtual_machine_ids: Annotated[list[str], "the guests that are in it"] = msgspec.field(
        name="virtualmachineIds"
    )

    @classmethod
    def of(cls, row: AffinityGroup, cloud: Cloud) -> AffinityGroupView:
        mine = members(cloud, row)
        return cls(
            id=row.id,
            name=row.name,
            description=row.description or None,
            type=row.kind,
            virtual_machine_ids=[str(vm.id) for vm in mine if vm.state != "Expunging"],
            **owner(row, cloud),
        )


@view
class AffinityGroupTypeView(View, kw_only=True):
    """A kind of affinity group."""

    type: Annotated[str, "the word for createAffinityGroup"]
