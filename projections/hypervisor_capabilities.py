"""What kinds of hypervisor are let do, as it is read."""

from aggregates.hypervisor_capabilities import HypervisorCapabilities
from projections.cloud import Cloud
from projections.table import table

hypervisor_capabilities = table(HypervisorCapabilities, indexed=("hypervisor",))


def data_volumes_max(cloud: Cloud, hypervisor: str) -> int | None:
    """How many data disks a guest of this kind may have; None where nothing is said."""
    said = cloud[hypervisor_capabilities].one("hypervisor", hypervisor)
    return None if said is None else said.max_data_volumes


__all__ = ["HypervisorCapabilities", "data_volumes_max", "hypervisor_capabilities"]
