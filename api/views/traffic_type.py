"""A traffic type as clients see it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.declare import View, view
from projections.cloud import Cloud
from projections.traffic_type import TrafficType

# The parameter of each hypervisor's label, and the name under which the label is kept.
LABELS = {
    "kvm_network_label": "kvm",
    "vmware_network_label": "vmware",
    "xen_network_label": "xenserver",
    "hyperv_network_label": "hyperv",
    "ovm3_network_label": "ovm3",
}


@view
class TrafficTypeView(View, kw_only=True):
    id: Annotated[UUID, "the traffic type"]
    traffic_type: Annotated[str, "Guest, Management, Public or Storage"]
    physical_network_id: Annotated[UUID, "the physical network that carries it"]
    kvm_network_label: Annotated[str | None, "bridge on KVM hosts"] = None
    vmware_network_label: Annotated[str | None, "port group on VMware hosts"] = None
    xen_network_label: Annotated[str | None, "network on XenServer hosts"] = None
    hyperv_network_label: Annotated[str | None, "switch on Hyper-V hosts"] = None
    ovm3_network_label: Annotated[str | None, "bridge on OVM hosts"] = None

    @classmethod
    def of(cls, row: TrafficType, cloud: Cloud) -> TrafficTypeView:
        labels: dict[str, Any] = {
            name: row.labels.get(kind) or None for name, kind in LABELS.items()
        }
        return cls(
            id=row.id,
            traffic_type=row.traffic_type,
            physical_network_id=row.physical_network_id,
            **labels,
        )
