"""A disk offering as the wire shows it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from api.declare import Cloud, view
from api.views.offering import OfferingView, joined, offered
from projections.disk_offering import DiskOffering

GIB = 2**30


@view
class DiskOfferingView(OfferingView, kw_only=True):
    """The size and manner of a data disk."""

    disk_size: Annotated[int, "its size in GiB; 0 if who makes a volume says it"]
    is_customized: Annotated[bool, "whether who makes a volume says the size"]
    is_customized_iops: Annotated[bool | None, "whether it also says the speed"] = None
    min_iops: Annotated[int | None, "operations a second that a volume gets at least"] = None
    max_iops: Annotated[int | None, "operations a second that it gets at most"] = None
    tags: Annotated[str | None, "tags that its pools must have"] = None
    storage_type: Annotated[str, "shared or local"]
    provisioning_type: Annotated[str, "thin, sparse or fat"]
    cache_mode: Annotated[str, "how it is cached"] = msgspec.field(name="cacheMode")
    display_offering: Annotated[bool, "whether users see it"]
    encrypt: Annotated[bool, "whether volumes are encrypted"]
    disk_size_strictness: Annotated[bool, "whether volumes keep its size"]
    hypervisor_snapshot_reserve: Annotated[int | None, "kept as it was said"] = None
    disk_bytes_read_rate: Annotated[int | None, "bytes read a second at most"] = msgspec.field(
        name="diskBytesReadRate", default=None
    )
    disk_bytes_write_rate: Annotated[int | None, "bytes written a second at most"] = msgspec.field(
        name="diskBytesWriteRate", default=None
    )
    disk_iops_read_rate: Annotated[int | None, "reads a second at most"] = msgspec.field(
        name="diskIopsReadRate", default=None
    )
    disk_iops_write_rate: Annotated[int | None, "writes a second at most"] = msgspec.field(
        name="diskIopsWriteRate", default=None
    )
    details: Annotated[dict[str, str] | None, "its settings"] = None

    @classmethod
    def of(cls, row: DiskOffering, cloud: Cloud) -> DiskOfferingView:
        return cls(
            **offered(row, cloud),
            disk_size=(row.size_bytes or 0) // GIB,
            is_customized=row.is_customized,
            min_iops=row.min_iops,
            max_iops=row.max_iops,
            tags=joined(row.storage_tags),
            storage_type=row.storage_type,
            provisioning_type=row.provisioning_type,
            cache_mode=row.cache_mode,
            display_offering=row.is_displayed,
            encrypt=False,
            disk_size_strictness=row.is_strict,
            is_customized_iops=row.is_customized_iops,
            hypervisor_snapshot_reserve=row.snapshot_reserve,
            disk_bytes_read_rate=row.rates.get("bytesreadrate"),
            disk_bytes_write_rate=row.rates.get("byteswriterate"),
            disk_iops_read_rate=row.rates.get("iopsreadrate"),
            disk_iops_write_rate=row.rates.get("iopswriterate"),
            details=row.details or None,
        )
