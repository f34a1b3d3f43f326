"""A service offering as the wire shows it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from api.declare import Cloud, Roles, view
from api.views.offering import OfferingView, joined, offered
from projections.service_offering import ServiceOffering

GIB = 2**30


@view
class ServiceOfferingView(OfferingView, kw_only=True):
    """The size and manner of a machine."""

    cpu_number: Annotated[int | None, "how many cores; the deployer says if missing"] = None
    cpu_speed: Annotated[int | None, "the speed of a core in MHz"] = None
    memory: Annotated[int | None, "memory in MiB"] = None
    is_customized: Annotated[bool, "whether who deploys says the size"]
    storage_type: Annotated[str, "shared or local"]
    provisioning_type: Annotated[str, "thin, sparse or fat"]
    storage_tags: Annotated[str | None, "tags that its pools must have"] = None
    host_tags: Annotated[str | None, "tags that its hosts must have", Roles("Admin")] = None
    root_disk_size: Annotated[int | None, "size of the root disk in GiB"] = None
    is_customized_iops: Annotated[bool, "whether who deploys says the speed of its disks"] = (
        msgspec.field(name="iscustomizediops")
    )
    disk_offering_strictness: Annotated[bool, "whether its root disk cannot change offerings"]
    encrypt_root: Annotated[bool, "whether its root disk is encrypted"]
    purge_resources: Annotated[bool, "whether what is gone is forgotten"]
    cache_mode: Annotated[str, "how disks are cached"] = msgspec.field(name="cacheMode")
    offer_ha: Annotated[bool, "whether machines are started again elsewhere if a host fails"]
    limit_cpu_use: Annotated[bool, "whether a core is never faster than it says"]
    is_volatile: Annotated[bool, "whether the root disk is made anew at each start"]
    is_system: Annotated[bool, "whether it is for the cloud's own machines"]
    default_use: Annotated[bool, "whether those machines use it"]
    system_vm_type: Annotated[str | None, "which of those machines use it"] = None
    network_rate: Annotated[int | None, "Mbit/s of a network card"] = None
    deployment_planner: Annotated[str | None, "how hosts are chosen"] = None
    dynamic_scaling_enabled: Annotated[bool, "whether running machines can be resized"]
    disk_bytes_read_rate: Annotated[int | None, "bytes its root disk reads a second at most"] = (
        msgspec.field(name="diskBytesReadRate", default=None)
    )
    disk_bytes_write_rate: Annotated[int | None, "bytes it writes a second at most"] = (
        msgspec.field(name="diskBytesWriteRate", default=None)
    )
    disk_iops_read_rate: Annotated[int | None, "reads a second at most"] = msgspec.field(
        name="diskIopsReadRate", default=None
    )
    disk_iops_write_rate: Annotated[int | None, "writes a second at most"] = msgspec.field(
        name="diskIopsWriteRate", default=None
    )
    lease_duration: Annotated[int | None, "the days until its machines end by themselves"] = None
    lease_expiry_action: Annotated[str | None, "how they end: STOP or DESTROY"] = None
    service_offering_details: Annotated[dict[str, str] | None, "its settings"] = None

    @classmethod
    def of(cls, row: ServiceOffering, cloud: Cloud) -> ServiceOfferingView:
        return cls(
            **offered(row, cloud),
            cpu_number=row.cpu_count,
            cpu_speed=row.cpu_mhz,
            memory=row.memory_mib,
            is_customized=row.is_customized,
            storage_type=row.storage_type,
            provisioning_type=row.provisioning_type,
            storage_tags=joined(row.storage_tags),
            host_tags=joined(row.host_tags),
            root_disk_size=row.root_disk_bytes // GIB if row.root_disk_bytes else None,
            is_customized_iops=False,
            disk_offering_strictness=False,
            encrypt_root=False,
            purge_resources=False,
            cache_mode=row.cache_mode,
            offer_ha=row.offer_ha,
            limit_cpu_use=row.limit_cpu_use,
            is_volatile=row.is_volatile,
            is_system=row.is_system,
            default_use=False,
            system_vm_type=row.system_vm_type or None,
            network_rate=row.network_rate_mbps,
            deployment_planner=row.deployment_planner or None,
            dynamic_scaling_enabled=row.dynamic_scaling_enabled,
            disk_bytes_read_rate=row.rates.get("bytesreadrate"),
            disk_bytes_write_rate=row.rates.get("byteswriterate"),
            disk_iops_read_rate=row.rates.get("iopsreadrate"),
            disk_iops_write_rate=row.rates.get("iopswriterate"),
            lease_duration=row.lease_days,
            lease_expiry_action=row.lease_action or None,
            service_offering_details=row.details or None,
        )
