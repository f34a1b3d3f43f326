"""Which bridge, port group or network of a host carries a type of traffic: operators' labels."""

from __future__ import annotations

from uuid import UUID

from projections.cloud import Cloud
from projections.traffic_type import traffic_types

# Kinds that go by the network label of another, as the wire has one for each family.
LABEL_OF = {"xen": "xenserver", "lxc": "kvm", "ovm": "ovm3", "external": "kvm"}


def label_of(cloud: Cloud, physical_network_id: UUID | None, traffic: str, hypervisor: str) -> str:
    """The label for hosts of this kind; empty where none was given."""
    carriers = cloud[traffic_types].by("physical_network_id", physical_network_id)
    named = hypervisor.lower()
    family = LABEL_OF.get(named, named)
    return next((t.labels.get(family, "") for t in carriers if t.traffic_type == traffic), "")
